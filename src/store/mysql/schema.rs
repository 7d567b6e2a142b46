//! The names and statements of one store, and how its schema is made.

use std::sync::Arc;

use crate::store::sql::answers::COLUMNS;
use crate::store::sql::settings::SCHEMA_VERSION;

/// What `migrate` runs, under the default name.
const SCHEMA: &str = include_str!("schema.sql");

/// The statements of one store.
pub(super) struct Statements {
    pub(super) table: String,
    pub(super) migrate: Vec<String>,
    pub(super) mark: Arc<str>,
    pub(super) find: Arc<str>,
    pub(super) token: Arc<str>,
    pub(super) owned_by: Arc<str>,
    pub(super) scan: Arc<str>,
    pub(super) count: Arc<str>,
    pub(super) last: Arc<str>,
    pub(super) create: Arc<str>,
    pub(super) replace: Arc<str>,
    pub(super) touch: Arc<str>,
    pub(super) destroy: Arc<str>,
    pub(super) destroy_owned: Arc<str>,
    pub(super) sweep: Arc<str>,
    pub(super) clear: Arc<str>,
}

impl Statements {
    /// The name is checked: no quote is needed, and none can be in it.
    pub(super) fn of(table: &str) -> Self {
        let call = |procedure: &str, arguments: usize| {
            format!("CALL {table}_v{SCHEMA_VERSION}_{procedure}({})", places(arguments)).into()
        };
        let select = |which: &str| format!("SELECT `key`, {COLUMNS} FROM {table} WHERE {which}").into();
        let schema = SCHEMA.trim_start_matches("DELIMITER //\n").trim_end_matches("\n//\nDELIMITER ;\n");
        Self {
            migrate: schema.replace("cloakroom_sessions", table).split("\n//\n").map(str::to_owned).collect(),
            mark: format!(
                "SELECT CAST(@@innodb_flush_log_at_trx_commit AS SIGNED), CAST(@@max_allowed_packet AS SIGNED), \
                 (SELECT table_comment FROM information_schema.tables \
                 WHERE table_schema = DATABASE() AND table_name = '{table}')"
            )
            .into(),
            find: select("`key` = ?"),
            token: format!("SELECT CONCAT(rev, was) FROM {table} WHERE `key` = ? AND trace = 0").into(),
            owned_by: select("owner = ? AND ends > ?"),
            scan: select("`key` > ? AND trace = 0 AND ends > ? ORDER BY `key` LIMIT 100"),
            count: format!("SELECT COUNT(*) FROM {table} WHERE trace = 0 AND ends > ?").into(),
            last: format!("SELECT COALESCE(MAX(id), 0) FROM {table}").into(),
            create: call("create", 12),
            replace: call("replace", 16),
            touch: call("touch", 2),
            destroy: call("destroy", 3),
            destroy_owned: call("destroy_owned", 2),
            sweep: call("sweep", 3),
            clear: call("clear", 1),
            table: table.to_owned(),
        }
    }

    /// The statement that finds so many keys.
    pub(super) fn find_all(&self, keys: usize) -> Arc<str> {
        format!("SELECT `key`, {COLUMNS} FROM {} WHERE `key` IN ({})", self.table, places(keys)).into()
    }
}

fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_statement_of_a_store_names_the_table_of_another() {
        let statements = Statements::of("visits");
        assert!(statements.migrate.iter().all(|statement| !statement.contains("cloakroom_")));
        assert!(statements.migrate[0].contains("CREATE TABLE IF NOT EXISTS visits ("));
        assert!(statements.migrate.iter().all(|statement| !statement.contains("//") && !statement.trim().is_empty()));
    }
}
