//! What a store does when its server, or the way to it, fails.

use std::time::{Duration, Instant};

use cloakroom::{ErrorKind, Found, Lifetime, Record, Revision, SessionId, SessionKey, Store, Timestamp, Trace, Update};

use crate::backend::{Backend, Choice};
use crate::proxy::Proxy;
use crate::suite::{fresh_table, runtime};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// Short enough to wait for, and long enough for a busy machine.
const DEADLINE: Duration = Duration::from_secs(2);

fn impatient() -> Choice {
    Choice { deadline: DEADLINE, connections: 2, ..Choice::default() }
}

fn session() -> Record {
    let mut record = Record::new(SessionKey::of(&SessionId::generate().unwrap()), Lifetime::AAL2, NOW);
    record.set_revision(Revision::fresh());
    record
}

/// The same session after one more write.
fn next(record: &Record) -> Record {
    let mut next = record.clone();
    next.set_revision(Revision::fresh());
    next
}

/// Tries until the store goes on by itself.
async fn goes_on(store: &impl Store) {
    let begun = Instant::now();
    while store.find(session().key(), NOW).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the store does not go on by itself");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// kill -9 in the middle of writes: what was acknowledged is there, an error is an error, and the store goes on by itself.
pub fn goes_on_after_its_server_was_killed<B: Backend>() {
    let server = B::start();
    runtime().block_on(async {
        let store = B::open(server.port(), "killed", impatient()).await;
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move {
                    let (mut acknowledged, mut failed) = (Vec::new(), 0);
                    while failed < 20 {
                        let record = session();
                        match store.create(&record, &[], NOW).await {
                            Ok(_) => acknowledged.push(*record.key()),
                            Err(error) => {
                                assert!(matches!(error.kind(), ErrorKind::Unavailable), "{error}");
                                failed += 1;
                            }
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.kill();
        let mut acknowledged = Vec::new();
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        assert!(!acknowledged.is_empty(), "some writes came before the end");
        let down = store.create(&session(), &[], NOW).await.unwrap_err();
        assert!(!down.may_have_happened(), "nothing was sent to a server that is down: {down}");
        server.restart();
        goes_on(&store).await;
        for key in &acknowledged {
            assert!(store.load(key, NOW).await.unwrap().is_some(), "an acknowledged session is gone");
        }
        store.create(&session(), &[], NOW).await.unwrap();
    });
}

/// A server that stands still for longer than the deadline.
pub fn answers_within_its_deadline_when_the_server_stands_still<B: Backend>() {
    let server = B::start();
    runtime().block_on(async {
        let store = B::open(server.port(), "frozen", impatient()).await;
        let record = session();
        let revision = store.create(&record, &[], NOW).await.unwrap();
        server.freeze();
        let begun = Instant::now();
        let answer = store.update(&next(&record), revision, NOW).await;
        let took = begun.elapsed();
        let error = answer.unwrap_err();
        assert!(error.may_have_happened(), "the statement was sent: {error}");
        // Beside the deadline, what a busy machine takes to wake a task.
        assert!(took < DEADLINE * 3, "the answer took {took:?}");
        assert!(store.find(record.key(), NOW).await.is_err(), "what stands still is an error, and not nothing");
        server.thaw();
        goes_on(&store).await;
        let found = store.load(record.key(), NOW).await.unwrap();
        assert!(found.is_some(), "the session is there");
    });
}

/// Connections that the server closed, for their age or for a restart, fail no operation.
pub fn a_connection_that_was_closed_while_idle_fails_nobody<B: Backend>() {
    let proxy = Proxy::to(B::shared().port());
    runtime().block_on(async {
        let store = B::open(proxy.port(), &fresh_table(), Choice::default()).await;
        for _ in 0..5 {
            let record = session();
            let revision = store.create(&record, &[], NOW).await.unwrap();
            proxy.close_all();
            // Until the client's side has heard of it. What is on its way at that moment is for other tests.
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(matches!(store.update(&next(&record), revision, NOW).await, Ok(Update::Stored(_))));
            proxy.close_all();
            tokio::time::sleep(Duration::from_millis(100)).await;
            store.create(&session(), &[], NOW).await.unwrap();
        }
    });
}

/// The connection is cut after the n-th byte of an update's answer, for every n: the update is done once, and known as done.
pub fn an_update_whose_answer_is_lost_is_done_once<B: Backend>() {
    let proxy = Proxy::to(B::shared().port());
    runtime().block_on(async {
        let store = B::open(proxy.port(), &fresh_table(), Choice { connections: 1, ..Choice::default() }).await;
        let mut record = session();
        let mut revision = store.create(&record, &[], NOW).await.unwrap();
        record = next(&record);
        // The statement is prepared where that is needed.
        let Update::Stored(stored) = store.update(&record, revision, NOW).await.unwrap() else { panic!("a conflict") };
        revision = stored;
        let (mut cuts, mut refused) = (0, 0);
        for byte in 1..400 {
            record = next(&record);
            proxy.cut_after(byte);
            match store.update(&record, revision, NOW).await {
                Ok(Update::Stored(stored)) => revision = stored,
                // A new connection was cut, before anything was sent on it.
                Err(error) if !error.may_have_happened() => refused += 1,
                other => panic!("an update whose answer was cut after byte {byte} was answered with {other:?}"),
            }
            goes_on(&store).await;
            let loaded = store.load(record.key(), NOW).await.unwrap().unwrap();
            assert_eq!(loaded.revision(), revision, "the update of byte {byte} is there");
            if !proxy.was_cut() {
                break;
            }
            cuts += 1;
        }
        assert!(cuts > 50 && refused < cuts / 2, "{cuts} were cut, and {refused} of them before they were sent");
    });
}

/// A login whose answer is lost is known by its token, and never sent again.
pub fn a_login_whose_answer_is_lost_is_known_by_its_token<B: Backend>() {
    let proxy = Proxy::to(B::shared().port());
    runtime().block_on(async {
        let store = B::open(proxy.port(), &fresh_table(), Choice { connections: 1, ..Choice::default() }).await;
        store.create(&session(), &[], NOW).await.unwrap();
        let record = session();
        proxy.cut_after(1);
        assert_eq!(store.create(&record, &[], NOW).await.unwrap(), record.revision());
        assert!(proxy.was_cut());
        assert_eq!(store.count(NOW).await.unwrap(), 2);
    });
}

/// Each operation on one session is one round trip.
pub fn each_operation_is_one_round_trip<B: Backend>() {
    let proxy = Proxy::to(B::shared().port());
    runtime().block_on(async {
        let store = B::open(proxy.port(), &fresh_table(), Choice { connections: 1, ..Choice::default() }).await;
        // The first round prepares statements where that is needed.
        for round in 0..3 {
            let mut counted = Vec::new();
            let mut count = |what: &'static str| counted.push((what, proxy.round_trips()));
            count("before");
            let (mut record, other) = (session(), session());
            let later = NOW.plus(Duration::from_secs(600));
            let trace = Trace::ended(NOW.plus(Duration::from_secs(60)));
            record.set_owner(Some("ada".into()), Some(NOW));
            let revision = store.create(&record, &[(*other.key(), trace)], NOW).await.unwrap();
            count("create");
            assert!(matches!(store.find(record.key(), NOW).await.unwrap(), Found::Live(_)));
            count("find");
            let found = store.find_all(&[*record.key(), *other.key(), *record.key(), *other.key()], NOW).await;
            assert!(found.iter().all(|found| !matches!(found, Ok(Found::Nothing) | Err(_))));
            count("find_all");
            assert!(store.touch(record.key(), later).await.unwrap());
            count("touch");
            record = next(&record);
            let Update::Stored(revision) = store.update(&record, revision, later).await.unwrap() else { panic!() };
            count("update");
            let old = *record.key();
            record = next(&record);
            record.set_key(*session().key());
            let trace = Trace::moved(*record.key(), later.plus(Duration::from_secs(60)));
            let rotated = store.rotate(&old, revision, &record, Some(&trace), later).await.unwrap();
            assert!(matches!(rotated, Update::Stored(_)));
            count("rotate");
            assert_eq!(store.owned_by(&"ada".into(), later).await.unwrap().len(), 1);
            count("owned_by");
            assert!(store.destroy(record.key(), Some(&trace)).await.unwrap());
            count("destroy");
            assert_eq!(store.destroy_owned_by(&"ada".into(), None).await.unwrap(), 0);
            count("destroy_owned_by");
            if round > 0 {
                let is_too_many = |(what, trips): &&(&str, usize)| match *what {
                    "owned_by" | "destroy_owned_by" => *trips > B::OWNER_TRIPS,
                    _ => *trips != 1,
                };
                let more: Vec<_> = counted[1..].iter().filter(is_too_many).collect();
                assert!(more.is_empty(), "these took more round trips than they may: {more:?}");
            }
        }
    });
}

/// No error and no Debug shows the password, whatever is wrong with the URL.
pub fn no_error_shows_the_password<B: Backend>() {
    runtime().block_on(async {
        let store = B::open(B::shared().port(), &fresh_table(), Choice::default()).await;
        let mut shown = vec![format!("{store:?}")];
        // Nothing listens on port 1.
        for place in ["127.0.0.1:1/none", "127.0.0.1:port/none", "127.0.0.1:1/none?nonsense=1", "[/none", ""] {
            shown.push(B::try_open(&format!("{}://t:not-shown@{place}", B::SCHEME)).await.unwrap_err().to_string());
        }
        for text in shown {
            assert!(!text.contains("not-shown"), "{text}");
        }
    });
}
