//! The colour of each contender, the same in all drawings.

use crate::kind::Kind;
use crate::operations::request::NO_LAYER;

/// All names that can stand in a row, in the order of the legend.
pub(super) fn contenders() -> impl Iterator<Item = &'static str> {
    Kind::ALL.into_iter().map(Kind::name).chain([NO_LAYER])
}

/// cloakroom catches the eye, and the limits, which are no rivals, are grey.
pub(super) fn of(contender: &str) -> &'static str {
    match Kind::named(contender) {
        Some(Kind::Cloakroom) => "#d7191c",
        Some(Kind::CloakroomEvery) => "#f08080",
        Some(Kind::Map) => "#5f5f5f",
        Some(Kind::Raw) => "#9a9a9a",
        Some(Kind::Files) => "#8c510a",
        Some(Kind::Redb) => "#e08214",
        Some(Kind::Fjall) => "#1b9e77",
        Some(Kind::Sled) => "#7fb32e",
        Some(Kind::Sqlite) => "#08519c",
        Some(Kind::Lmdb) => "#7570b3",
        Some(Kind::Redis) => "#e7298a",
        Some(Kind::TowerMemory) => "#17324d",
        Some(Kind::TowerSqlite) => "#6baed6",
        Some(Kind::TowerFiles) => "#bf9b5a",
        None => "#b0b0b0",
    }
}

/// Whether the contender is cloakroom, in any of its settings. Drawings set these names in bold.
pub(super) fn is_ours(contender: &str) -> bool {
    matches!(Kind::named(contender), Some(Kind::Cloakroom | Kind::CloakroomEvery))
}

/// How thick a line is.
pub(super) fn weight(contender: &str) -> f64 {
    if contender == Kind::Cloakroom.name() { 3.0 } else { 1.4 }
}
