-- What a bill tells of loss is all of it: flow records as well, and what a collector's full spool dropped. Null: not looked at yet.

-- +goose Up
alter table cycle_snapshot
    add column records_lost bigint,
    add column spool_drops  bigint;

grant select on quarantine_open to ezscale_command;

-- +goose Down
-- Forward only.
