-- The second wall before what is a customer's: see query.Wall and docs/decisions/016-row-security.md. The first is
-- the scope in each question's statement; this one holds where that was forgotten.

-- +goose Up

-- What a customer's questions run as. It selects the columns granted below, of the rows that the policies let through.
-- +goose StatementBegin
do $$
begin
    begin
        if not exists (select from pg_roles where rolname = 'ezscale_customer') then
            create role ezscale_customer nologin nobypassrls;
        end if;
    exception when duplicate_object or unique_violation then
        null; -- made by another database's migration in this moment
    end;
    if not pg_has_role(current_user, 'ezscale_customer', 'set') then
        grant ezscale_customer to current_user;
    end if;
end $$;
-- +goose StatementEnd

-- Who asks. Null, of whom nothing is, unless the transaction says; what is no UUID is an error.
create function asking_customer() returns uuid language sql stable parallel safe
    return nullif(pg_catalog.current_setting('app.customer', true), '')::uuid;
create function asking_person() returns uuid language sql stable parallel safe
    return nullif(pg_catalog.current_setting('app.person', true), '')::uuid;

-- What a customer's questions name, and no column more. Whoever shows a customer a new column grants it.
grant select (id, email, name, created_at) on customer to ezscale_customer;
grant select (id, name, customer_id, plan_id, since) on service to ezscale_customer;
grant select (id, name, price_minor, currency, interval, quota_bytes, byte_basis, direction, bill_at, thresholds,
    overage_unit_bytes, overage_unit_price, created_at) on plan to ezscale_customer;
grant select (type, id, version) on aggregate to ezscale_customer;
grant select (prefix, service_id, valid, attachment_id) on assignment to ezscale_customer;
grant select (id, name) on exporter to ezscale_customer;
grant select (exporter_id, if_index, service_id, valid) on binding to ezscale_customer;
grant select (id, service_id, starts_at, ends_at, status, quota_bytes, byte_basis, direction, bill_at, thresholds, currency,
    overage_unit_bytes, overage_unit_price) on cycle to ezscale_customer;
grant select (cycle_id, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, samples_in, samples_out) on usage_cycle to ezscale_customer;
grant select (service_id, exporter_id, hour, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3) on usage_hourly to ezscale_customer;
grant select (service_id, slot, bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3) on usage_slot to ezscale_customer;
grant select (service_id, cycle_id, threshold, quota_bytes, billable_bytes, crossed_at) on quota_alert to ezscale_customer;
grant select (exporter_id, hour, datagrams, datagrams_lost, samples_lost, records_lost) on loss_hourly to ezscale_customer;
grant select (exporter_id, minute, datagrams, datagrams_lost) on loss_minute to ezscale_customer;
grant select (exporter_id, hour, service_id, direction, rate, samples, frame_length, ip_length) on quarantine_hourly, quarantine_decision, quarantine_open
    to ezscale_customer;
grant select (id, kind, number, customer_id, customer_name, customer_email, service_id, cycle_id, currency, total_minor, status, finalised_at)
    on invoice to ezscale_customer;
grant select (invoice_id, position, kind, description, quantity, unit_bytes, unit_price, amount_minor, evidence) on invoice_line to ezscale_customer;
grant select (id, at, actor, command, aggregate_type, aggregate_id, ip, user_agent) on audit to ezscale_customer;

-- A view reads with its owner's rights, past every policy, unless told otherwise.
alter view quarantine_open set (security_invoker = true);

-- The owner's functions, which the write side alone calls; they said so themselves, now the rights do too.
revoke execute on function outbox_add_days, outbox_drop_days from public;
grant execute on function outbox_add_days, outbox_drop_days to ezscale_command;

-- For the other roles nothing changes. Not forced upon the owner: it runs migrations, whose updates would find no
-- rows, and dumps, which would fail.
-- +goose StatementBegin
do $$
declare
    walled regclass;
begin
    foreach walled in array array['customer', 'service', 'plan', 'aggregate', 'assignment', 'exporter', 'binding', 'cycle', 'usage_cycle',
        'usage_hourly', 'usage_slot', 'quota_alert', 'loss_hourly', 'loss_minute', 'quarantine_hourly', 'quarantine_decision', 'invoice',
        'invoice_line', 'audit']::regclass[] loop
        execute format('alter table %s enable row level security', walled);
        execute format('create policy platform on %s to ezscale_command, ezscale_query, ezscale_meter, ezscale_audit using (true) with check (true)', walled);
    end loop;
end $$;
-- +goose StatementEnd

-- binding has no policy for customers: their statements name it, and see nothing of it. A subquery in a policy sees
-- only what its reader may see. Those that depend on no row are planned to run once a statement.
create policy own on customer for select to ezscale_customer using (id = asking_customer());
create policy own on service for select to ezscale_customer using (customer_id = asking_customer());
create policy own on plan for select to ezscale_customer
    using (id in (select s.plan_id from service s where s.customer_id = asking_customer()));
create policy own on aggregate for select to ezscale_customer using (
    type = 'customer' and id = asking_customer()
    or type = 'service' and id in (select s.id from service s where s.customer_id = asking_customer())
    or type = 'plan' and id in (select s.plan_id from service s where s.customer_id = asking_customer()));
create policy own on assignment for select to ezscale_customer
    using (service_id in (select s.id from service s where s.customer_id = asking_customer()));
create policy own on cycle for select to ezscale_customer
    using (service_id in (select s.id from service s where s.customer_id = asking_customer()));
create policy own on usage_cycle for select to ezscale_customer
    using (service_id in (select s.id from service s where s.customer_id = asking_customer()));
create policy own on usage_hourly for select to ezscale_customer
    using (service_id in (select s.id from service s where s.customer_id = asking_customer()));
create policy own on usage_slot for select to ezscale_customer
    using (service_id in (select s.id from service s where s.customer_id = asking_customer()));
create policy own on quota_alert for select to ezscale_customer
    using (service_id in (select s.id from service s where s.customer_id = asking_customer()));
create policy own on quarantine_hourly for select to ezscale_customer
    using (service_id in (select s.id from service s where s.customer_id = asking_customer()));
create policy own on quarantine_decision for select to ezscale_customer
    using (service_id in (select s.id from service s where s.customer_id = asking_customer()));
create policy own on invoice for select to ezscale_customer using (customer_id = asking_customer());
create policy own on invoice_line for select to ezscale_customer
    using (exists (select from invoice i where i.id = invoice_id and i.customer_id = asking_customer()));
create policy own on audit for select to ezscale_customer using (
    split_part(actor, ' ', 1) = 'person:' || asking_person()::text
    or aggregate_type = 'customer' and aggregate_id = asking_customer()
    or aggregate_type = 'service' and aggregate_id in (select s.id from service s where s.customer_id = asking_customer()));

-- Devices, and what was lost on the way from them, are nobody's: graphs tell a gap by them.
create policy shared on exporter for select to ezscale_customer using (asking_customer() is not null);
create policy shared on loss_hourly for select to ezscale_customer using (asking_customer() is not null);
create policy shared on loss_minute for select to ezscale_customer using (asking_customer() is not null);

-- +goose Down
-- Forward only.
