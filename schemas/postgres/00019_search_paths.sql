-- Where functions look for what they name. A search path that does not name pg_temp has it first for relations, before
-- the system's own catalogue: whoever can make temporary relations, as every role can, could hide pg_class from a function
-- that runs as the owner, and have it run what he likes as the owner.

-- +goose Up
alter function outbox_add_days(int) set search_path = pg_catalog, public, pg_temp;
alter function outbox_drop_days(int) set search_path = pg_catalog, public, pg_temp;

-- Neither runs as the owner yet; what erases a person will.
alter function audit_erase(bigint[], text, timestamptz, text, uuid) set search_path = pg_catalog, public, pg_temp;
alter function audit_only_erased() set search_path = pg_catalog, public, pg_temp;

-- +goose Down
-- Forward only.
