-- What the contact address of an account was before it was changed: whoever reads that address is told, and an event names
-- no address. It is forgotten once it was told (package command/retention).

-- +goose Up
create table contact_change (
    id          uuid        primary key,
    customer_id uuid        not null references customer,
    replaced    text        not null,
    email       text        not null,
    changed_by  text        not null,                           -- the actor, as the audit log has it
    changed_at  timestamptz not null
);
create index contact_change_past on contact_change (changed_at);

grant select, insert, delete on contact_change to ezscale_command;

-- +goose Down
-- Forward only.
