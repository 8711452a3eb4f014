-- What decisions of operators and alerts for the staff need beside the tables of 00006.

-- +goose Up

-- What came of a command, where its answer holds figures that belong beside the input: samples released, bytes added.
alter table audit add column outcome jsonb;

-- A notice to the staff may be about a device, which is no customer's.
alter table notification alter column customer_id drop not null;
alter table notification add constraint notification_of_customer check (customer_id is not null or channel <> 'mail');

-- +goose Down
-- Forward only.
