-- The write side's kernel: versions of aggregates, idempotency, audit, outbox, and the consumers' books.

-- +goose Up
create extension if not exists btree_gist;

-- One row per aggregate. The version counts its events; a parked poison message flags it.
create table aggregate (
    type    text   not null,
    id      uuid   not null,
    version bigint not null check (version >= 0),
    flagged text,
    primary key (type, id)
);

create table idempotency (
    actor        text        not null,
    key          text        not null check (length(key) between 1 and 255),
    command      text        not null,
    input_sha256 bytea       not null,
    response     jsonb       not null,
    created_at   timestamptz not null,
    primary key (actor, key)
);
create index idempotency_created_at on idempotency (created_at);

create table audit (
    id             bigint generated always as identity primary key,
    at             timestamptz not null,
    actor          text        not null,
    command        text        not null,
    aggregate_type text        not null,
    aggregate_id   uuid        not null,
    request_id     text        not null,
    input          jsonb       not null
);
create index audit_aggregate on audit (aggregate_type, aggregate_id, id);

-- Events wait here for the relay, which reads in (txid, position) order below the snapshot horizon.
-- recorded_on is the server's day, not the business clock's: it only says which partition to drop.
create table outbox (
    recorded_on       date        not null default (now() at time zone 'utc')::date,
    txid              xid8        not null default pg_current_xact_id(),
    position          bigint      generated always as identity,
    event_id          uuid        not null,
    aggregate_type    text        not null,
    aggregate_id      uuid        not null,
    aggregate_version bigint      not null,
    type              text        not null,
    schema_version    int         not null,
    vshard            smallint    not null check (vshard between 0 and 1023),
    occurred_at       timestamptz not null,
    payload           jsonb       not null,
    primary key (txid, position, recorded_on),
    unique (aggregate_type, aggregate_id, aggregate_version, recorded_on)
) partition by range (recorded_on);
create table outbox_default partition of outbox default;

-- A relay leads a range of virtual shards while its lease lasts; the epoch fences off a leader that lost it.
create table relay (
    range_id     int         primary key,
    first_vshard smallint    not null,
    last_vshard  smallint    not null,
    owner        text,
    epoch        bigint      not null default 0,
    expires_at   timestamptz not null default '-infinity',
    cursor_txid  xid8        not null default '0',
    cursor_position bigint   not null default 0,
    cursor_at    timestamptz not null default '-infinity',
    check (first_vshard <= last_vshard)
);
insert into relay (range_id, first_vshard, last_vshard) values (0, 0, 1023);

-- The next sequence number of each partition a relay range writes to. It moves with the cursor, so a
-- republished event carries the number it had before.
create table relay_sequence (
    range_id  int    not null references relay,
    partition int    not null,
    next_seq  bigint not null default 1,
    primary key (range_id, partition)
);

-- Lease and offset of one consumer on one partition, in one row: moving the offset proves the lease.
create table consumer_offset (
    consumer   text        not null,
    topic      text        not null,
    partition  int         not null,
    next       bigint      not null default 0,
    fence      bigint      not null default 0,
    owner      text,
    expires_at timestamptz not null default '-infinity',
    moved_at   timestamptz not null default now(),
    primary key (consumer, topic, partition)
);

-- The last sequence number taken from each producer, to drop what a producer sent twice.
create table consumer_producer (
    consumer  text   not null,
    topic     text   not null,
    partition int    not null,
    producer  text   not null,
    last_seq  bigint not null,
    seen_at   timestamptz not null default now(),
    primary key (consumer, topic, partition, producer)
);

create table parked_message (
    id           bigint generated always as identity primary key,
    consumer     text        not null,
    topic        text        not null,
    partition    int         not null,
    kafka_offset bigint      not null,
    key          bytea,
    value        bytea       not null,
    headers      jsonb       not null,
    reason       text        not null,
    attempts     int         not null,
    parked_at    timestamptz not null default now(),
    retry_at     timestamptz,
    resolved_at  timestamptz,
    unique (consumer, topic, partition, kafka_offset)
);

-- A rebuild writes down how far it came, so that it can be interrupted and continued.
create table rebuild (
    read_model  text primary key,
    table_name  text        not null,
    progress    jsonb       not null,
    started_at  timestamptz not null default now(),
    finished_at timestamptz
);

-- Development only: how far the business clock runs ahead of the real one.
create table clock_offset (
    only_row bool primary key default true check (only_row),
    ahead    interval not null
);

-- +goose Down
-- Forward only.
