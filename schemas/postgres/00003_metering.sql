-- What the meter writes. Byte counts are scaled estimates: length x sampling rate, summed. L2 is the frame, L3 the IP packet.

-- +goose Up

-- The billing truth: one row per service, exporter and hour, kept for ever.
create table usage_hourly (
    service_id   uuid        not null references service,
    exporter_id  uuid        not null references exporter,
    hour         timestamptz not null check (date_trunc('hour', hour, 'UTC') = hour),
    bytes_in_l2  bigint      not null default 0,
    bytes_out_l2 bigint      not null default 0,
    bytes_in_l3  bigint      not null default 0,
    bytes_out_l3 bigint      not null default 0,
    packets_in   bigint      not null default 0,
    packets_out  bigint      not null default 0,
    samples_in   bigint      not null default 0,
    samples_out  bigint      not null default 0,
    primary key (service_id, hour, exporter_id)
);
create index usage_hourly_hour on usage_hourly (hour);

-- Ten-second slots of the last day or so: the live graph, and the source of the absolute minute windows
-- that go to ClickHouse. version grows with each change of the row. Usage that arrives when its slots are
-- pruned already is in usage_hourly and usage_late alone.
create table usage_slot (
    service_id   uuid        not null,
    slot         timestamptz not null,
    bytes_in_l2  bigint      not null default 0,
    bytes_out_l2 bigint      not null default 0,
    bytes_in_l3  bigint      not null default 0,
    bytes_out_l3 bigint      not null default 0,
    packets_in   bigint      not null default 0,
    packets_out  bigint      not null default 0,
    samples_in   bigint      not null default 0,
    samples_out  bigint      not null default 0,
    version      bigint      not null default 1,
    meter        int         not null,          -- the raw partition whose meter wrote it last
    flush        bigint      not null,          -- that meter's flush number
    primary key (service_id, slot)
) with (fillfactor = 70);
-- No index holds a column that an update changes, so that updates stay in their page.
create index usage_slot_slot on usage_slot (slot);

-- The part of usage_hourly that came when its slots were pruned already, and is therefore in no window.
create table usage_late (
    service_id   uuid        not null,
    hour         timestamptz not null,
    bytes_in_l2  bigint      not null default 0,
    bytes_out_l2 bigint      not null default 0,
    bytes_in_l3  bigint      not null default 0,
    bytes_out_l3 bigint      not null default 0,
    packets_in   bigint      not null default 0,
    packets_out  bigint      not null default 0,
    samples_in   bigint      not null default 0,
    samples_out  bigint      not null default 0,
    primary key (service_id, hour)
);

-- Totals of one billing cycle; quota thresholds compare its billable bytes before and after a flush.
create table usage_cycle (
    cycle_id     uuid        primary key,
    service_id   uuid        not null,
    bytes_in_l2  bigint      not null default 0,
    bytes_out_l2 bigint      not null default 0,
    bytes_in_l3  bigint      not null default 0,
    bytes_out_l3 bigint      not null default 0,
    packets_in   bigint      not null default 0,
    packets_out  bigint      not null default 0,
    samples_in   bigint      not null default 0,
    samples_out  bigint      not null default 0
) with (fillfactor = 70);

-- Usage of a service in an hour that no cycle covered when it was counted. It waits here, one row per meter,
-- and moves to usage_cycle as soon as there is a cycle. Nothing reads it but the meter and the doctor.
create table usage_pending (
    meter        int         not null,
    service_id   uuid        not null,
    hour         timestamptz not null,
    bytes_in_l2  bigint      not null default 0,
    bytes_out_l2 bigint      not null default 0,
    bytes_in_l3  bigint      not null default 0,
    bytes_out_l3 bigint      not null default 0,
    packets_in   bigint      not null default 0,
    packets_out  bigint      not null default 0,
    samples_in   bigint      not null default 0,
    samples_out  bigint      not null default 0,
    primary key (meter, service_id, hour)
);

-- A threshold is crossed once per service, cycle and level of the quota: another quota arms anew those thresholds
-- that the usage has yet to pass, and takes back no alert that was sent.
create table quota_alert (
    service_id     uuid        not null references service,
    cycle_id       uuid        not null,
    threshold      smallint    not null,
    quota_bytes    bigint      not null,
    billable_bytes bigint      not null,        -- at the moment of crossing
    crossed_at     timestamptz not null,        -- receive time of the flush's newest datagram
    event_id       uuid        not null,
    primary key (service_id, cycle_id, threshold, quota_bytes)
);

-- What is known to be missing or set aside, per exporter and hour. lost counts are net: a late datagram takes its gap back.
create table loss_hourly (
    exporter_id          uuid        not null references exporter,
    hour                 timestamptz not null,
    datagrams            bigint      not null default 0,  -- counted
    datagrams_lost       bigint      not null default 0,  -- gaps in the datagram sequence
    datagrams_duplicate  bigint      not null default 0,
    datagrams_rejected   bigint      not null default 0,  -- not decodable, or not this exporter's agent
    restarts             bigint      not null default 0,
    samples              bigint      not null default 0,  -- passed the count policy; without_ip, quarantined and unattributed are among them
    samples_evidence     bigint      not null default 0,  -- seen, but not counted by policy
    samples_lost         bigint      not null default 0,  -- gaps of up to 50 in the sample sequence of a source id, those in lost datagrams among them
    samples_dropped      bigint      not null default 0,  -- the agent's own drops field
    samples_quarantined  bigint      not null default 0,
    samples_without_ip   bigint      not null default 0,
    samples_rejected     bigint      not null default 0,  -- a bad sample in a good datagram
    samples_unattributed bigint      not null default 0,
    bytes_unattributed_l2 bigint     not null default 0,
    counter_samples      bigint      not null default 0,
    discard_samples      bigint      not null default 0,
    samples_unknown      bigint      not null default 0,  -- of a format we do not know, skipped by length
    kernel_drops         bigint      not null default 0,  -- datagrams the collector's socket could not hold, shared out by exporter where known
    spool_drops          bigint      not null default 0,
    primary key (exporter_id, hour)
);

-- When each exporter was heard, and what it lost, by minute: the gaps of a graph. Minutes without a datagram
-- have no row. Kept 35 days.
create table loss_minute (
    exporter_id    uuid        not null references exporter,
    minute         timestamptz not null,
    datagrams      bigint      not null default 0,  -- counted
    datagrams_lost bigint      not null default 0,  -- net; negative when a late one took back an earlier minute's gap
    primary key (exporter_id, minute)
);
create index loss_minute_minute on loss_minute (minute);

create table reject_hourly (
    exporter_id uuid        not null references exporter,
    hour        timestamptz not null,
    reason      text        not null,
    count       bigint      not null,
    primary key (exporter_id, hour, reason)
);

-- Samples whose rate cannot be believed: unscaled lengths, until an operator gives them a rate.
create table quarantine_hourly (
    exporter_id  uuid        not null references exporter,
    hour         timestamptz not null,
    service_id   uuid        not null references service,
    direction    text        not null check (direction in ('in', 'out')),
    rate         bigint      not null,
    samples      bigint      not null,
    frame_length bigint      not null,   -- sum of unscaled lengths
    ip_length    bigint      not null,
    primary key (exporter_id, hour, service_id, direction, rate)
);

-- Addresses that no service owns, so that an operator finds unbilled machines. Bounded per exporter and hour.
create table unattributed_hourly (
    exporter_id uuid        not null references exporter,
    hour        timestamptz not null,
    address     inet        not null,    -- '::' gathers what is over the bound
    bytes_l2    bigint      not null,
    bytes_l3    bigint      not null,
    packets     bigint      not null,
    samples     bigint      not null,
    primary key (exporter_id, hour, address)
);

-- One row per raw partition: its flushes, its watermark (everything received before has been counted), and
-- the trackers' state as of state_offset; the meter reads from there to next without counting.
create table meter (
    partition    int         primary key,
    flush        bigint      not null default 0,
    emitted      bigint      not null default 0,    -- last flush whose windows are known to be in Kafka
    unemitted_from timestamptz not null default 'infinity', -- oldest slot written by a later flush
    watermark    timestamptz not null default '-infinity',
    state_offset bigint      not null default 0,
    state        bytea
);

-- Last word of each collector, by way of Kafka. unknown is [{source, datagrams, bytes, last_at}], bounded.
create table collector (
    id             uuid        primary key,
    host           text        not null,
    boot_at        timestamptz not null,
    reported_at    timestamptz not null,
    listen         text        not null,
    receive_buffer bigint      not null,
    datagrams      bigint      not null,
    bytes          bigint      not null,
    kernel_drops   bigint      not null,
    spool_drops    bigint      not null,
    unknown_datagrams bigint   not null,
    unknown        jsonb       not null
);

-- Last reading of each port an exporter reports (sFlow if_counters).
create table port (
    exporter_id uuid        not null references exporter,
    if_index    bigint      not null,
    if_type     bigint      not null,
    speed       numeric(20) not null,
    octets_in   numeric(20) not null,
    octets_out  numeric(20) not null,
    read_at     timestamptz not null,
    rate        bigint,                 -- sampling rate of the port's newest flow sample
    primary key (exporter_id, if_index)
);

-- When each exporter was last heard.
create table exporter_seen (
    exporter_id uuid        primary key references exporter,
    first_at    timestamptz not null,
    last_at     timestamptz not null,
    agent       inet,
    sub_agents  int         not null default 0
);

-- +goose Down
-- Forward only.
