//! One colour a contender, in all drawings.

use crate::contender::Kind;
use crate::operations::request::NO_LAYER;

/// All that can stand in a row, in the order of the legend.
pub(super) fn contenders() -> impl Iterator<Item = &'static str> {
    Kind::ALL.into_iter().map(Kind::name).chain([NO_LAYER])
}

/// What is ours catches the eye, and the limits are grey.
pub(super) fn of(contender: &str) -> &'static str {
    match Kind::named(contender) {
        Some(Kind::Cloakroom) => "#d7191c",
        Some(Kind::CloakroomEvery) => "#f4a0a0",
        Some(Kind::Map) => "#777777",
        Some(Kind::Raw) => "#aaaaaa",
        Some(Kind::Files) => "#8c510a",
        Some(Kind::Redb) => "#e08214",
        Some(Kind::Fjall) => "#1b9e77",
        Some(Kind::Sled) => "#a6d854",
        Some(Kind::Sqlite) => "#08519c",
        Some(Kind::Lmdb) => "#7570b3",
        Some(Kind::Redis) => "#e7298a",
        Some(Kind::TowerMemory) => "#111111",
        Some(Kind::TowerSqlite) => "#6baed6",
        Some(Kind::TowerFiles) => "#c7a76c",
        None => "#bbbbbb",
    }
}

/// Our own are drawn thicker.
pub(super) fn weight(contender: &str) -> f64 {
    if contender == Kind::Cloakroom.name() { 2.5 } else { 1.2 }
}
