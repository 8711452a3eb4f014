-- What each part of the platform may do. The roles cannot log in: the login user is a member of each and takes one
-- when it connects. Roles belong to the whole server, so another database may have made them already.

-- +goose Up
-- +goose StatementBegin
do $$
declare
    wanted text;
begin
    foreach wanted in array array['ezscale_command', 'ezscale_query', 'ezscale_meter'] loop
        begin
            if not exists (select from pg_roles where rolname = wanted) then
                execute format('create role %I nologin', wanted);
            end if;
        exception when duplicate_object or unique_violation then
            null; -- made by another database's migration in this moment
        end;
        if not pg_has_role(current_user, wanted, 'set') then
            execute format('grant %I to current_user', wanted);
        end if;
    end loop;
end $$;
-- +goose StatementEnd

-- The write side changes every table of ours, with these exceptions: books are added to, never changed; only
-- what has a date of expiry is deleted.
grant select, insert, update on all tables in schema public to ezscale_command;
revoke update on audit, cycle_snapshot, cycle_rating, invoice_line, ledger_transaction, ledger_entry, attribution_change from ezscale_command;
revoke insert, update on goose_db_version, usage_hourly, usage_slot, usage_late, usage_cycle, usage_pending, loss_hourly,
    loss_minute, reject_hourly, unattributed_hourly, meter from ezscale_command;
grant delete on idempotency, attribution_change, consumer_offset, consumer_producer, parked_message, rebuild,
    clock_offset, relay, relay_sequence, notification to ezscale_command;
grant usage on all sequences in schema public to ezscale_command;

-- The read side selects what it shows: not the answers kept for repeated requests, not the jobs' arguments.
grant select on all tables in schema public to ezscale_query;
revoke all on idempotency, goose_db_version from ezscale_query;

-- The job queue's tables, whichever its version makes, belong to the write side alone.
-- +goose StatementBegin
do $$
declare
    job_table regclass;
begin
    for job_table in select oid::regclass from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relname like 'river\_%' loop
        execute format('grant select, insert, update, delete on %s to ezscale_command', job_table);
        execute format('revoke all on %s from ezscale_query', job_table);
    end loop;
end $$;
-- +goose StatementEnd
revoke all on river_migration from ezscale_command;

-- The meter reads who owned what and writes usage, its own books, and events about both.
grant select on exporter, service, assignment, cycle, plan, customer, attribution_change, clock_offset to ezscale_meter;
grant select, insert, update on usage_hourly, usage_slot, usage_late, usage_cycle, usage_pending, quota_alert,
    loss_hourly, loss_minute, reject_hourly, quarantine_hourly, unattributed_hourly, meter, collector, port, exporter_seen,
    consumer_offset, consumer_producer, parked_message, aggregate to ezscale_meter;
grant select, insert on outbox to ezscale_meter;
grant delete on usage_slot, usage_late, usage_pending, loss_minute, consumer_producer to ezscale_meter;

-- +goose Down
-- Forward only.
