//! The names and statements of one store, and how its schema is made.

use crate::store::sql::answers::COLUMNS;
use crate::store::sql::settings::SCHEMA_VERSION;

/// What `migrate` runs, under the default names.
const SCHEMA: &str = include_str!("schema.sql");

/// The statements of one store. They name their schema, so they depend on no search path.
pub(super) struct Statements {
    pub(super) table: String,
    pub(super) migrate: String,
    pub(super) mark: String,
    pub(super) find: String,
    pub(super) find_all: String,
    pub(super) token: String,
    pub(super) owned_by: String,
    pub(super) scan: String,
    pub(super) count: String,
    pub(super) create: String,
    pub(super) replace: String,
    pub(super) touch: String,
    pub(super) destroy: String,
    pub(super) destroy_owned: String,
    pub(super) sweep: String,
    pub(super) clear: String,
}

impl Statements {
    /// The names are checked: no quote is needed, and none can be in them.
    pub(super) fn of(schema: &str, table: &str) -> Self {
        let name = format!("{schema}.{table}");
        let call = |function: &str, arguments: usize| {
            let places: Vec<String> = (1..=arguments).map(|place| format!("${place}")).collect();
            format!("SELECT * FROM {name}_v{SCHEMA_VERSION}_{function}({})", places.join(", "))
        };
        let select = |which: &str| format!("SELECT key, {COLUMNS} FROM {name} WHERE {which}");
        let statements = SCHEMA.replace("cloakroom.sessions", &name).replace(" sessions_by_", &format!(" {table}_by_"));
        Self {
            migrate: format!(
                "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('cloakroom migrates', 0)); \
                 DO $$ BEGIN IF to_regnamespace('{schema}') IS NULL THEN CREATE SCHEMA {schema}; END IF; END $$; \
                 {statements} COMMIT;"
            ),
            mark: format!(
                "SELECT current_setting('fsync'), current_setting('synchronous_commit'), \
                 (SELECT setting FROM pg_settings WHERE name = 'wal_writer_delay'), \
                 obj_description(to_regclass('{name}'), 'pg_class')"
            ),
            find: select("key = $1"),
            find_all: select("key = ANY($1)"),
            token: format!("SELECT rev || was FROM {name} WHERE key = $1 AND NOT trace"),
            owned_by: select("owner = $1 AND ends > $2"),
            scan: select("key > $1 AND NOT trace AND ends > $2 ORDER BY key LIMIT 100"),
            count: format!("SELECT count(*) FROM {name} WHERE NOT trace AND ends > $1"),
            create: call("create", 14),
            replace: call("replace", 16),
            touch: call("touch", 2),
            destroy: call("destroy", 3),
            destroy_owned: call("destroy_owned", 2),
            sweep: call("sweep", 3),
            clear: call("clear", 0),
            table: name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_statement_of_a_store_names_the_table_of_another() {
        let statements = Statements::of("site", "visits");
        assert!(!statements.migrate.contains("cloakroom.") && !statements.migrate.contains(" sessions_by_"));
        assert!(statements.migrate.contains("CREATE INDEX IF NOT EXISTS visits_by_due ON site.visits (due)"));
        assert!(statements.migrate.contains("COMMENT ON TABLE site.visits IS 'cloakroom schema 1'"));
    }
}
