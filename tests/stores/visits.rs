//! Whole visits, through `Sessions`: a session at work over each store, and not only each promise for itself.

use cloakroom::{Committed, Session, Sessions, Store};

use crate::backend::{Backend, Choice};
use crate::suite::{fresh_table, runtime};

/// A browser that keeps one cookie.
#[derive(Clone, Default)]
struct Browser(String);

impl Browser {
    async fn open(&self, sessions: &Sessions<impl Store>) -> Session {
        sessions.open([&self.0]).await.unwrap()
    }

    fn receive(&mut self, committed: &Committed) {
        if let Some(cookie) = committed.set_cookie() {
            self.0 = cookie.to_string().split(';').next().unwrap().to_owned();
        }
    }

    async fn visit(&mut self, sessions: &Sessions<impl Store>, handler: impl FnOnce(&Session)) {
        let session = self.open(sessions).await;
        handler(&session);
        self.receive(&sessions.commit(session).await.unwrap());
    }

    async fn owner(&self, sessions: &Sessions<impl Store>) -> Option<String> {
        self.open(sessions).await.owner().unwrap().map(|owner| owner.to_string())
    }
}

fn count_up(session: &Session) {
    session.modify("count", |count: Option<u64>| Some(count.unwrap_or(0) + 1)).unwrap();
}

/// Requests at once on two nodes: all changes are kept, also one that meets a rotation, which it follows to the new id.
pub fn what_requests_change_at_once_is_kept_also_beside_a_rotation<B: Backend>() {
    runtime().block_on(async {
        let table = fresh_table();
        let mut nodes = Vec::new();
        for _ in 0..2 {
            let store = B::open(B::shared().port(), &table, Choice::default()).await;
            nodes.push(Sessions::builder(store).build().unwrap());
        }
        let mut browser = Browser::default();
        browser.visit(&nodes[0], count_up).await;
        let requests: Vec<_> = (0..20)
            .map(|number| {
                let (node, browser) = (nodes[number % 2].clone(), browser.clone());
                tokio::spawn(async move { browser.clone().visit(&node, count_up).await })
            })
            .collect();
        for request in requests {
            request.await.unwrap();
        }
        let late = browser.open(&nodes[1]).await;
        count_up(&late);
        let before = browser.clone();
        browser.visit(&nodes[0], |session| session.rotate().unwrap()).await;
        assert_ne!(browser.0, before.0);
        let followed = nodes[1].commit(late).await.unwrap();
        assert!(followed.set_cookie().is_none() && followed.lost().is_empty());
        assert_eq!(browser.open(&nodes[1]).await.get::<u64>("count").unwrap(), Some(22));
        assert_eq!(before.open(&nodes[0]).await.get::<u64>("count").unwrap(), None, "the id of before opens nothing");
    });
}

/// A user's devices are listed, one is ended by its handle, and in the end all of them; a logout ends its own.
pub fn a_user_is_listed_and_logged_out_by_handle_and_everywhere<B: Backend>() {
    runtime().block_on(async {
        let store = B::open(B::shared().port(), &fresh_table(), Choice::default()).await;
        let sessions = Sessions::builder(store).build().unwrap();
        let mut browsers = vec![Browser::default(); 4];
        for browser in &mut browsers {
            // A visitor first, so that the login leaves a trace under the id of before.
            browser.visit(&sessions, count_up).await;
            browser.visit(&sessions, |session| session.login("ada").unwrap()).await;
            assert_eq!(browser.open(&sessions).await.get::<u64>("count").unwrap(), Some(1));
        }
        assert_eq!(sessions.owned_by("ada").await.unwrap().len(), 4);
        let second = browsers[1].open(&sessions).await.handle().unwrap();
        assert!(sessions.end("ada", &second).await.unwrap());
        assert_eq!(browsers[1].owner(&sessions).await, None);
        let logged_out = browsers[2].clone();
        browsers[2].visit(&sessions, |session| session.destroy().unwrap()).await;
        assert_eq!(logged_out.owner(&sessions).await, None);
        assert_eq!(browsers[0].owner(&sessions).await.as_deref(), Some("ada"));
        assert_eq!(sessions.end_all("ada").await.unwrap(), 2);
        for browser in &browsers {
            assert_eq!(browser.owner(&sessions).await, None);
        }
        assert!(sessions.owned_by("ada").await.unwrap().is_empty());
    });
}
