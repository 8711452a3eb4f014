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
    recorded_at       timestamptz not null default now(), -- the server's clock too: how long it has waited
    payload           jsonb       not null,
    primary key (txid, position, recorded_on),
    unique (aggregate_type, aggregate_id, aggregate_version, recorded_on)
) partition by range (recorded_on);
create table outbox_default partition of outbox default;

-- Makes the partitions of today and the days ahead. A day that has rows in the default partition already stays
-- there. The relay calls it; only the owner may make partitions, so the function runs as the owner, for the
-- write side alone.
-- +goose StatementBegin
create function outbox_add_days(ahead int) returns int language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    first date := (now() at time zone 'utc')::date;
    wanted date;
    added int := 0;
begin
    if current_setting('role') not in ('none', 'ezscale_command') then
        raise insufficient_privilege using message = 'only the write side keeps the outbox';
    end if;
    perform set_config('lock_timeout', '2s', true);
    for wanted in select first + i from generate_series(0, least(ahead, 60)) i loop
        continue when to_regclass('public.outbox_' || to_char(wanted, 'YYYYMMDD')) is not null
            or exists (select from public.outbox_default where recorded_on = wanted);
        execute format('create table public.%I partition of public.outbox for values from (%L) to (%L)',
            'outbox_' || to_char(wanted, 'YYYYMMDD'), wanted, wanted + 1);
        added := added + 1;
    end loop;
    return added;
end $$;
-- +goose StatementEnd

-- Drops the partitions of days more than keep days ago that every relay range has passed, and gives their number.
-- +goose StatementBegin
create function outbox_drop_days(keep int) returns int language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    before date := (now() at time zone 'utc')::date - greatest(keep, 1);
    day record;
    waiting bool;
    dropped int := 0;
begin
    if current_setting('role') not in ('none', 'ezscale_command') then
        raise insufficient_privilege using message = 'only the write side keeps the outbox';
    end if;
    perform set_config('lock_timeout', '2s', true);
    for day in select c.oid::regclass as partition from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'public.outbox'::regclass and c.relname ~ '^outbox_[0-9]{8}$' and right(c.relname, 8)::date < before loop
        execute format('select exists (select from %s o join public.relay r on o.vshard between r.first_vshard and r.last_vshard
            where (o.txid, o.position) > (r.cursor_txid, r.cursor_position))', day.partition) into waiting;
        continue when waiting;
        execute format('drop table %s', day.partition);
        dropped := dropped + 1;
    end loop;
    delete from public.outbox_default o using public.relay r
        where o.recorded_on < before and o.vshard between r.first_vshard and r.last_vshard
            and (o.txid, o.position) <= (r.cursor_txid, r.cursor_position);
    return dropped;
end $$;
-- +goose StatementEnd
select outbox_add_days(7);

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

-- The running instances of a consumer, so that each takes its share of the partitions. A new instance takes over
-- an expired row: the table is as long as the most instances there ever were.
create table consumer_instance (
    consumer   text        not null,
    topic      text        not null,
    slot       int         not null,
    owner      text        not null,
    expires_at timestamptz not null,
    primary key (consumer, topic, slot)
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
    aggregate_type text,                        -- flagged while an unresolved message of it is here
    aggregate_id   uuid,
    parked_at    timestamptz not null default now(),
    retry_at     timestamptz,
    resolved_at  timestamptz,
    unique (consumer, topic, partition, kafka_offset)
);
create index parked_message_aggregate on parked_message (aggregate_type, aggregate_id) where resolved_at is null;
create index parked_message_retry on parked_message (consumer, topic, partition) where retry_at is not null and resolved_at is null;

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
