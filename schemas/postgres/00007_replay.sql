-- Replay: what has been read from another system's store, and what of it is on its way into the raw log.

-- +goose Up

-- One row per replay that was ever asked for. It is a producer of the raw log: (id, boot) never changes, so that
-- whatever is sent again after a crash has the sequence it had before, and the meter drops it.
create table replay_job (
    id         uuid        primary key,
    name       text        not null unique,
    source     text        not null,             -- which cluster: its own id, whatever the address
    host       text        not null,             -- without credentials
    indices    text        not null,
    mode       text        not null check (mode in ('backfill', 'follow')),
    starts_at  timestamptz not null,
    ends_at    timestamptz,                      -- exclusive; null: follows for ever
    boot       bigint      not null,             -- Unix nanoseconds
    epoch      bigint      not null default 0,   -- of the process that works on it; an older one may write no more
    state      text        not null check (state in ('running', 'done', 'failed')),
    next_at    timestamptz not null,             -- the first slice that is still to be read
    counts     jsonb       not null default '{}',
    error      text        not null default '',
    created_at timestamptz not null,
    updated_at timestamptz not null
);

-- Last sequence given to an envelope of the job, per partition of the raw log.
create table replay_sequence (
    job_id    uuid   not null references replay_job,
    partition int    not null,
    last      bigint not null,
    primary key (job_id, partition)
);

-- One row per minute of a source that was read, whichever job did: two jobs over one time count a document once.
create table replay_slice (
    source     text        not null,
    minute     timestamptz not null check (date_trunc('minute', minute, 'UTC') = minute),
    documents  bigint      not null,              -- counted
    found      bigint      not null,              -- in the last complete reading, counted or not; -1: never complete
    parts      int         not null,              -- times written; a writer that read another number starts anew
    sealed     boolean     not null default false,-- the hashes are gone: nothing is added any more
    updated_at timestamptz not null,
    primary key (source, minute)
);
create index replay_slice_unsealed on replay_slice (updated_at) where not sealed;

-- Hashes of the ids of counted documents, 8 bytes each, sorted. Kept until the minute is sealed.
create table replay_seen (
    source text        not null,
    minute timestamptz not null,
    part   int         not null,
    hashes bytea       not null,
    primary key (source, minute, part)
);
alter table replay_seen alter column hashes set storage external; -- hashes do not compress

-- Envelopes that wait to be sent, with their sequence in them.
create table replay_outbox (
    job_id    uuid   not null references replay_job,
    partition int    not null,
    sequence  bigint not null,
    envelope  bytea  not null,
    primary key (job_id, partition, sequence)
);

grant select, insert, update on replay_job, replay_sequence, replay_slice to ezscale_meter;
grant select, insert, delete on replay_seen, replay_outbox to ezscale_meter;
grant select on replay_job, replay_sequence, replay_slice to ezscale_query;

-- +goose Down
-- Forward only.
