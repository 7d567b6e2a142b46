use super::*;
use crate::session::{self, Model};

const SESSIONS: u64 = 50;

/// A contender that failed this would have figures of something else than what a row says.
fn keeps_sessions(kind: Kind) {
    if kind == Kind::Redis && !Redis::is_installed() {
        eprintln!("there is no redis-server here");
        return;
    }
    for class in [Class::Relaxed, Class::Durable] {
        if class == Class::Durable && !kind.can_be_durable() {
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        let now = Model::real_time();
        let model = Model { now, sessions: SESSIONS, bytes: 600 };
        let contender = kind.open(directory.path(), class);
        contender.fill(&mut (0..SESSIONS).map(|n| model.session(n)), now);
        contender.fill(&mut (SESSIONS..2 * SESSIONS).map(|n| model.over(n)), model.earlier());
        loads_what_was_saved(&*contender, model);
        forgets_what_is_over(&*contender, model);
        contender.close();
        if kind.is_stored() {
            let contender = kind.open(directory.path(), class);
            loads_what_was_saved(&*contender, model);
            contender.close();
        }
    }
}

fn loads_what_was_saved(contender: &dyn Contender, model: Model) {
    for n in 0..SESSIONS {
        for mut session in [model.session(n), model.changed(n)] {
            contender.meet(&mut session, model.now);
            contender.save(&mut session, model.now).unwrap();
        }
        let key = &session::hash_like_key(n);
        if let Some(touched) = contender.touch(key, model.now) {
            assert!(touched, "the session is there");
        }
        if let Some(loaded) = contender.load(key, model.now) {
            assert_eq!(loaded.expect("the session is there").text(key), Some(model.changed_text(n)));
        }
    }
    if let Some(loaded) = contender.load(&session::unknown_key(1), model.now) {
        assert!(loaded.is_none());
        assert_eq!(contender.touch(&session::unknown_key(1), model.now), Some(false));
    }
}

fn forgets_what_is_over(contender: &dyn Contender, model: Model) {
    let over = || (SESSIONS..2 * SESSIONS).map(session::hash_like_key);
    for key in over() {
        assert!(contender.load(&key, model.now).is_none_or(|loaded| loaded.is_none()), "it is over");
    }
    if let Some(Some(swept)) = contender.sweep(model.now) {
        assert_eq!(swept, SESSIONS);
    }
    assert!(contender.sweep(model.now).is_none_or(|swept| swept.is_none_or(|swept| swept == 0)), "all are swept");
    for key in over() {
        assert!(contender.load(&key, model.now).is_none_or(|loaded| loaded.is_none()));
    }
    for n in 0..SESSIONS {
        assert!(
            contender.load(&session::hash_like_key(n), model.now).is_none_or(|loaded| loaded.is_some()),
            "it lives"
        );
    }
}

macro_rules! contenders {
    ($($test:ident: $kind:ident,)*) => {
        $(#[test]
        fn $test() {
            keeps_sessions(Kind::$kind);
        })*

        #[test]
        fn every_contender_is_tested() {
            assert_eq!(Kind::ALL, [$(Kind::$kind),*]);
        }
    };
}

contenders! {
    cloakroom_keeps_sessions: Cloakroom,
    cloakroom_every_second_keeps_sessions: CloakroomEvery,
    the_map_keeps_sessions: Map,
    the_raw_log_takes_sessions: Raw,
    files_keep_sessions: Files,
    redb_keeps_sessions: Redb,
    fjall_keeps_sessions: Fjall,
    sled_keeps_sessions: Sled,
    sqlite_keeps_sessions: Sqlite,
    lmdb_keeps_sessions: Lmdb,
    redis_keeps_sessions: Redis,
    the_memory_store_of_tower_sessions_keeps_sessions: TowerMemory,
    the_sqlite_store_of_tower_sessions_keeps_sessions: TowerSqlite,
    a_file_store_of_tower_sessions_keeps_sessions: TowerFiles,
}

#[test]
fn names_are_understood() {
    for kind in Kind::ALL {
        assert_eq!(Kind::named(kind.name()), Some(kind));
    }
    assert_eq!(Kind::named("postgres"), None);
}
