//! One run of two requests through the layer: which of them makes its next call of the store is the driver's choice, and so is
//! whose answer reaches the browser first.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use cloakroom::tower::{SessionLayer, session_of};
use cloakroom::{
    Error, ErrorKind, ManualClock, Record, RuntimeFree, Session, SessionId, SessionKey, Sessions, Timestamp,
};
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::paused::{Done, Paused};

pub const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// When the two requests come, and what the site makes of requests that change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So soon that nothing is noted. An authentication of one of the two is another one than the first.
    Soon,
    /// So late that a commit touches. The site sends its cookie with each answer.
    TouchIsDue,
    /// So late that the opening itself touches. The site sends its cookie with each answer.
    NearTheEnd,
}

impl When {
    pub const fn time(self) -> Timestamp {
        const BEGIN: u64 = NOW.as_millis() / 1000;
        Timestamp::from_secs(match self {
            Self::Soon => BEGIN + 1,
            Self::TouchIsDue => BEGIN + 4 * 60,
            Self::NearTheEnd => BEGIN + 26 * 60,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Look,
    Put,
    Modify,
    Rotate,
    Reauthenticate,
    LoginA,
    LoginB,
    Destroy,
    DestroyAndPut,
    /// A password is changed: all of A's sessions end, and A logs in.
    EndAllAndLoginA,
    /// By an administrator, who is in another browser.
    EndAll,
    UpdateOwned,
}

impl Op {
    pub const ALL: [Self; 12] = [
        Self::Look,
        Self::Put,
        Self::Modify,
        Self::Rotate,
        Self::Reauthenticate,
        Self::LoginA,
        Self::LoginB,
        Self::Destroy,
        Self::DestroyAndPut,
        Self::EndAllAndLoginA,
        Self::EndAll,
        Self::UpdateOwned,
    ];

    /// Whether it gives the session a new id, and no login.
    pub fn is_rotation(self) -> bool {
        matches!(self, Self::Rotate | Self::Reauthenticate)
    }

    pub fn is_login(self) -> bool {
        self.logs_in().is_some()
    }

    pub fn logs_in(self) -> Option<&'static str> {
        match self {
            Self::LoginA | Self::EndAllAndLoginA => Some("A"),
            Self::LoginB => Some("B"),
            _ => None,
        }
    }

    pub fn is_logout(self) -> bool {
        matches!(self, Self::Destroy | Self::DestroyAndPut)
    }

    pub fn is_administrators(self) -> bool {
        matches!(self, Self::EndAll | Self::UpdateOwned)
    }
}

/// What the visitor has at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    Blank,
    Anonymous,
    A,
    AAndA,
    /// A planted session of nobody's hides the user's, or the other way round.
    AnonAndA,
    DeadId,
}

/// What a request came to.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// The cookie that the answer sets, as the browser sends it; `None` within for a removal.
    pub cookie: Option<Option<String>>,
    /// Whose session the handler saw, before it did anything.
    pub owner: Option<String>,
}

pub struct World {
    pub ops: [Op; 2],
    pub first: First,
    pub when: When,
    pub answers: [Answer; 2],
    /// The request whose answer arrives last.
    pub last: usize,
    /// The request that was only sent when the other one's answer had arrived.
    pub sent_after: Option<usize>,
    pub events: Vec<(usize, Done)>,
    pub live: Vec<Record>,
    /// The keys that the browser's cookies name in the end.
    pub jar: Vec<SessionKey>,
}

impl World {
    pub fn session(&self, key: &SessionKey) -> Option<&Record> {
        self.live.iter().find(|record| record.key() == key)
    }

    /// When a session began, in events; a rotation is no beginning.
    pub fn begun(&self, key: &SessionKey) -> usize {
        let begun = |(_, done): &(usize, Done)| matches!(done, Done::Begun { key: begun, .. } if begun == key);
        let Some(at) = self.events.iter().position(begun) else { return 0 };
        match &self.events[at].1 {
            Done::Begun { from: Some(from), .. } => self.begun(from),
            _ => at + 1,
        }
    }

    /// Whether a session stood there before the two requests, or has been rotated from one that did.
    pub fn is_from_before(&self, key: &SessionKey) -> bool {
        let begun = |(_, done): &&(usize, Done)| matches!(done, Done::Begun { key: begun, .. } if begun == key);
        match self.events.iter().find(begun) {
            Some((_, Done::Begun { from: Some(from), .. })) => self.is_from_before(from),
            Some((by, _)) => *by == 2,
            None => false,
        }
    }

    /// Whether the answer that was committed first arrives last, and takes the other's cookie away.
    pub fn is_overtaken(&self) -> bool {
        let is_last_older = self.answered(self.last) < self.answered(1 - self.last);
        self.sent_after.is_none() && is_last_older && self.answers.iter().all(|answer| answer.cookie.is_some())
    }

    /// When a request's ending, listing or answer came first or last, in events.
    pub fn when(&self, request: usize, is_it: impl Fn(&Done) -> bool) -> impl DoubleEndedIterator<Item = usize> {
        let events = self.events.iter().enumerate();
        events.filter(move |(_, (by, done))| *by == request && is_it(done)).map(|(at, _)| at + 1)
    }

    pub fn answered(&self, request: usize) -> usize {
        self.when(request, |done| matches!(done, Done::Answered)).next().unwrap()
    }
}

/// Chooses one of so many ways to go on.
pub trait Choose {
    fn choose(&mut self, ways: usize) -> usize;
}

type Running = Pin<Box<dyn Future<Output = Answer>>>;

pub fn key_of(pair: &str) -> SessionKey {
    SessionKey::of(&SessionId::parse(pair.split_once('=').unwrap().1).unwrap())
}

fn now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}

async fn handle<S: RuntimeFree>(
    op: Op,
    me: usize,
    session: &Session,
    sessions: &Sessions<Paused<S>>,
) -> cloakroom::Result<()> {
    let mine = || session.owner().map(|owner| owner.map_or("-".to_owned(), |owner| owner.to_string()));
    match op {
        Op::Look => session.get::<String>("cart").map(drop),
        Op::Put => session.insert(&format!("put {me}"), &mine()?),
        Op::Modify => session.modify(&format!("modify {me}"), |n: Option<u8>| Some(n.unwrap_or(0) + 1)),
        Op::Rotate => session.rotate(),
        Op::Reauthenticate if mine()? == "-" => Ok(()),
        Op::Reauthenticate => session.reauthenticated(),
        Op::LoginA | Op::LoginB => session.login(op.logs_in().unwrap()),
        Op::Destroy => session.destroy(),
        Op::DestroyAndPut => {
            session.destroy()?;
            session.insert(&format!("put {me}"), "-")
        }
        Op::EndAllAndLoginA => {
            sessions.end_all("A").await?;
            session.login("A")
        }
        Op::EndAll => sessions.end_all("A").await.map(drop),
        Op::UpdateOwned => sessions.update_owned_by("A", |session| session.insert("role", "editor")).await.map(drop),
    }
}

fn is_locked<T>(result: &cloakroom::Result<T>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == &ErrorKind::Locked)
}

async fn request<S: RuntimeFree>(sessions: Sessions<Paused<S>>, op: Op, me: usize, cookie: Option<String>) -> Answer {
    let (given, inner) = (sessions.clone(), std::sync::Arc::new(std::sync::Mutex::new(None)));
    let seen = inner.clone();
    let service = service_fn(move |request: Request<()>| {
        let (sessions, seen) = (given.clone(), seen.clone());
        async move {
            let session = session_of(request.extensions()).await.unwrap();
            let owner = session.owner();
            assert!(owner.is_ok() || is_locked(&owner), "{owner:?}");
            *seen.lock().unwrap() = owner.ok().flatten().map(|owner| owner.to_string());
            let handled = handle(op, me, &session, &sessions).await;
            assert!(handled.is_ok() || is_locked(&handled), "{handled:?}");
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let mut request = Request::builder().method("POST").uri("/");
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, cookie);
    }
    let response = SessionLayer::new(sessions).layer(service).oneshot(request.body(()).unwrap()).await.unwrap();
    let set = response.headers().get_all(SET_COOKIE).iter().next_back().map(|set| set.to_str().unwrap().to_owned());
    let cookie = set.map(|set| Some(set.split(';').next().unwrap().to_owned()).filter(|pair| !pair.ends_with('=')));
    let owner = inner.lock().unwrap().take();
    if response.status() != 200 {
        let error = response.extensions().get::<std::sync::Arc<Error>>();
        assert!([403, 409].contains(&response.status().as_u16()), "{op:?}: {error:?}");
    }
    Answer { status: response.status().as_u16(), cookie, owner }
}

/// Runs both requests, in the order of the choices. `None` for an order that differs from one before it only by calls that
/// read and have changed places.
pub fn run<S: RuntimeFree + Clone>(
    store: S,
    ops: [Op; 2],
    (first, when): (First, When),
    is_one_after_the_other: bool,
    choices: &mut dyn Choose,
) -> Option<World> {
    let store = Paused::new(store);
    store.let_go(2);
    let clock = ManualClock::at(NOW);
    let builder = Sessions::builder(store.clone()).clock(clock.clone()).rolling(when != When::Soon);
    let sessions = builder.build().unwrap();
    let begin = |owner: Option<&str>| {
        let of = owner.unwrap_or("-").to_owned();
        let cookie = now(sessions.test_cookie(|session| {
            session.insert("cart", &of)?;
            owner.map_or(Ok(()), |owner| session.login(owner))
        }));
        cookie.unwrap()
    };
    let mut jar: Vec<String> = match first {
        First::Blank => Vec::new(),
        First::Anonymous => vec![begin(None)],
        First::A => vec![begin(Some("A"))],
        First::AAndA => vec![begin(Some("A")), begin(Some("A"))],
        First::AnonAndA => vec![begin(None), begin(Some("A"))],
        First::DeadId => vec![format!("__Host-sid={}", SessionId::generate().unwrap().expose())],
    };
    clock.set(when.time());
    let send = |me: usize, jar: &[String]| -> Running {
        let cookie = (!ops[me].is_administrators() && !jar.is_empty()).then(|| jar.join("; "));
        Box::pin(request(sessions.clone(), ops[me], me, cookie))
    };
    let mut answers: [Option<Answer>; 2] = [None, None];
    let mut running: [Option<Running>; 2] = [None, None];
    // In the second case only the order of the two is a choice.
    let leader = if is_one_after_the_other { choices.choose(2) } else { 2 };
    let arrive = |me: usize, answer: &Answer, jar: &mut Vec<String>| {
        if let (Some(cookie), false) = (&answer.cookie, ops[me].is_administrators()) {
            // The cookie of another path stays, which the site has not set.
            jar.pop();
            jar.extend(cookie.clone());
        }
    };
    let mut sent_after = None;
    // Each request that is sent goes on to its first call.
    let mut sent: Vec<usize> = if leader == 2 { vec![0, 1] } else { vec![leader] };
    for me in &sent {
        running[*me] = Some(send(*me, &jar));
    }
    // The first request, where its next call was tried before the other's and both only read: its turn comes when the other has
    // written something.
    let mut sleeps = false;
    loop {
        let is_sending = !sent.is_empty();
        let me = match (sent.pop(), &running) {
            (Some(me), _) => me,
            (None, [Some(_), Some(_)]) => {
                let me = if sleeps { 1 } else { choices.choose(2) };
                sleeps = me == 1 && store.both_read();
                me
            }
            (None, [Some(_), None]) => 0,
            (None, [None, Some(_)]) => 1,
            (None, [None, None]) => break,
        };
        store.let_go(me);
        let future = running[me].as_mut().unwrap();
        let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else { continue };
        if sleeps && !is_sending {
            return None;
        }
        store.note(Done::Answered);
        running[me] = None;
        if leader == me {
            arrive(me, &answer, &mut jar);
            running[1 - me] = Some(send(1 - me, &jar));
            sent.push(1 - me);
            sent_after = Some(1 - me);
        }
        answers[me] = Some(answer);
    }
    let answers = answers.map(Option::unwrap);
    let last = match leader {
        2 if answers.iter().all(|answer| answer.cookie.is_some()) => choices.choose(2),
        2 => 1,
        leader => 1 - leader,
    };
    let order = if leader == 2 { vec![1 - last, last] } else { vec![last] };
    for me in order {
        arrive(me, &answers[me], &mut jar);
    }
    let mut live = Vec::new();
    let mut visit = |record: Record| {
        live.push(record);
        std::ops::ControlFlow::Continue(())
    };
    now(store.store.scan(when.time(), &mut visit)).unwrap();
    let jar = jar.iter().map(|pair| key_of(pair)).collect();
    Some(World { ops, first, when, answers, last, sent_after, events: store.events(), live, jar })
}
