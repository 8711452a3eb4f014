-- Customers, plans, exporters, services, and which prefix belonged to which service when.

-- +goose Up
create table customer (
    id         uuid primary key,
    email      text        not null check (email = lower(email)),
    name       text        not null,
    created_at timestamptz not null
);
create unique index customer_email on customer (email);

create table plan (
    id                 uuid primary key,
    name               text        not null unique,
    price_minor        bigint      not null check (price_minor >= 0),
    currency           text        not null check (currency ~ '^[A-Z]{3}$'),
    interval           text        not null check (interval in ('month', 'quarter', 'year')),
    quota_bytes        bigint      check (quota_bytes > 0),                 -- null: no quota, nothing to exceed
    byte_basis         text        not null check (byte_basis in ('l2', 'l3')),
    direction          text        not null check (direction in ('sum', 'in', 'out', 'max')),
    thresholds         smallint[]  not null,                                -- percent of the quota, ascending
    overage_unit_bytes bigint      check (overage_unit_bytes > 0),          -- null: overage is free
    overage_unit_price numeric(38, 18) check (overage_unit_price >= 0),     -- major units of currency per unit
    created_at         timestamptz not null,
    check ((overage_unit_bytes is null) = (overage_unit_price is null))
);

create table exporter (
    id           uuid primary key,
    name         text        not null unique,
    source       cidr        not null,      -- UDP source addresses it may send from
    agent        inet,                      -- sFlow agent address; null: any agent of that source
    count_policy text        not null check (count_policy in ('ingress', 'egress', 'both')),
    rate_min     bigint      not null default 1 check (rate_min >= 1),
    rate_max     bigint      not null default 1000000 check (rate_max <= 4294967295),
    created_at   timestamptz not null,
    check (rate_min <= rate_max),
    unique nulls not distinct (source, agent)
);

create table service (
    id          uuid primary key,
    name        text        not null unique,
    customer_id uuid        not null references customer,
    plan_id     uuid        not null references plan,
    since       timestamptz not null,
    ended_at    timestamptz,
    anchor_day  smallint    not null check (anchor_day between 1 and 31),
    created_at  timestamptz not null,
    check (ended_at > since)
);
create index service_customer on service (customer_id);
create index service_plan on service (plan_id);

-- A prefix has at most one service at a time. A longer prefix inside a shorter one is allowed: the longest wins.
create table assignment (
    id         uuid primary key,
    prefix     cidr      not null,
    service_id uuid      not null references service,
    valid      tstzrange not null check (not isempty(valid) and lower_inc(valid) and not upper_inc(valid) and not lower_inf(valid)),
    constraint assignment_overlap exclude using gist (prefix inet_ops with =, valid with &&)
);
create index assignment_service on assignment (service_id);

-- What the meter and the collectors keep in memory comes from the tables above. Each change leaves its
-- transaction here; a reader that remembers its snapshot asks whether one has become visible since.
create table attribution_change (
    txid    xid8        not null default pg_current_xact_id(),
    at      timestamptz not null default now()
);
create index attribution_change_txid on attribution_change (txid);

-- +goose StatementBegin
create function note_attribution_change() returns trigger language plpgsql as $$
begin
    insert into attribution_change default values;
    return null;
end $$;
-- +goose StatementEnd

create trigger attribution_change after insert or update or delete on exporter   for each statement execute function note_attribution_change();
create trigger attribution_change after insert or update or delete on service    for each statement execute function note_attribution_change();
create trigger attribution_change after insert or update or delete on assignment for each statement execute function note_attribution_change();

-- +goose Down
-- Forward only.
