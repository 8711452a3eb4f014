-- Ports that bill by their own counters, one switch of several on a path, flow records of other protocols, and
-- what an operator decides afterwards: quarantined samples, usage metered anew.

-- +goose Up

-- bound: no flow of this exporter becomes bytes, only the counters of its bound ports do.
alter table exporter drop constraint exporter_count_policy_check;
alter table exporter add constraint exporter_count_policy_check check (count_policy in ('ingress', 'egress', 'both', 'bound'));
alter table exporter
    add column inside text[] not null default '{}' check (inside <@ array['vxlan', 'gre', 'mpls']),  -- tunnels to look into
    add column rate_default  bigint check (rate_default between 1 and 4294967295),   -- for flow records that state no rate; null: quarantine
    add column rate_override bigint check (rate_override between 1 and 4294967295);  -- for flow records, whatever they state

-- Where several exporters see a prefix's traffic, only the one it is attached to counts it. Null: each counts.
alter table assignment add column attachment_id uuid references exporter;

-- A port that is one service's alone: the service is billed by the port's counters, its flows only explain them.
create table binding (
    id          uuid primary key,
    exporter_id uuid      not null references exporter,
    if_index    bigint    not null check (if_index between 1 and 4294967295),
    service_id  uuid      not null references service,
    valid       tstzrange not null check (not isempty(valid) and lower_inc(valid) and not upper_inc(valid) and not lower_inf(valid)),
    constraint binding_overlap exclude using gist (exporter_id with =, if_index with =, valid with &&)
);
create index binding_service on binding (service_id);

alter table port
    add column name        text not null default '',                   -- as the agent tells it
    add column fcs_errors  bigint,                                     -- of its Ethernet counters
    add column status      smallint not null default 0;                -- bit 0 admin up, bit 1 operationally up

-- A port's hour by its own counters and by flow samples, side by side. octets are exact over wraps, resets and
-- gaps; flow bytes are L2 estimates, whatever the count policy says: samples taken at the port itself, and those
-- of other ports whose packets came in or went out by this one.
create table port_hourly (
    exporter_id           uuid        not null references exporter,
    if_index              bigint      not null,
    hour                  timestamptz not null,
    octets_in             bigint      not null default 0,
    octets_out            bigint      not null default 0,
    packets_in            bigint      not null default 0,
    packets_out           bigint      not null default 0,
    readings              bigint      not null default 0,
    resets                bigint      not null default 0,  -- counters that began anew: what was before them is not known
    implausible           bigint      not null default 0,  -- readings that no port of that speed can come to; not counted
    gap_seconds           bigint      not null default 0,  -- of the hour, between readings more than three minutes apart
    flow_in               bigint      not null default 0,
    flow_out              bigint      not null default 0,
    flow_in_elsewhere     bigint      not null default 0,
    flow_out_elsewhere    bigint      not null default 0,
    samples_in            bigint      not null default 0,
    samples_out           bigint      not null default 0,
    samples_in_elsewhere  bigint      not null default 0,
    samples_out_elsewhere bigint      not null default 0,
    primary key (exporter_id, if_index, hour)
);
create index port_hourly_hour on port_hourly (hour);

-- How often each sampling rate was seen at a port: adaptive sampling shows here.
create table port_rate_hourly (
    exporter_id uuid        not null references exporter,
    if_index    bigint      not null,
    hour        timestamptz not null,
    rate        bigint      not null,
    samples     bigint      not null,
    primary key (exporter_id, if_index, hour, rate)
);

-- The verdict on a port's closed hour, once. ratio is flow estimate / counter.
create table port_reconciliation (
    exporter_id uuid          not null references exporter,
    if_index    bigint        not null,
    hour        timestamptz   not null,
    ratio_in    numeric(12, 4),              -- null: too little traffic or too few samples to say
    ratio_out   numeric(12, 4),
    verdict     text          not null check (verdict in ('ok', 'off', 'unknown')),
    event_id    uuid,                        -- of the alert, when there was one
    judged_at   timestamptz   not null,
    primary key (exporter_id, if_index, hour)
);

-- Flows that are kept as evidence beside what is billed: of a service whose port is bound, or seen by another
-- exporter than the one its prefix is attached to.
create table usage_evidence (
    service_id   uuid        not null references service,
    exporter_id  uuid        not null references exporter,
    hour         timestamptz not null,
    reason       text        not null check (reason in ('bound', 'attachment')),
    bytes_in_l2  bigint      not null default 0,
    bytes_out_l2 bigint      not null default 0,
    bytes_in_l3  bigint      not null default 0,
    bytes_out_l3 bigint      not null default 0,
    packets_in   bigint      not null default 0,
    packets_out  bigint      not null default 0,
    samples_in   bigint      not null default 0,
    samples_out  bigint      not null default 0,
    primary key (service_id, hour, exporter_id, reason)
);

-- Usage that a person's decision adds or takes away. A command writes it, a meter adds it to the counters in one of
-- its flushes and says which. Corrections are in usage_hourly and usage_late, in no minute window.
create table usage_correction (
    id           uuid        primary key,
    kind         text        not null check (kind in ('quarantine_release', 'remeter')),
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
    batch        uuid        not null,        -- the decision it belongs to
    reason       text        not null,
    created_at   timestamptz not null,
    applied_at   timestamptz,
    check (kind <> 'quarantine_release' or least(bytes_in_l2, bytes_out_l2, bytes_in_l3, bytes_out_l3, packets_in, packets_out, samples_in, samples_out) >= 0)
);
create index usage_correction_waiting on usage_correction (created_at, id) where applied_at is null;
create index usage_correction_service on usage_correction (service_id, hour);
create trigger attribution_change after insert on usage_correction for each statement execute function note_attribution_change();
create trigger attribution_change after insert or update or delete on binding for each statement execute function note_attribution_change();

-- What was decided about quarantined samples. A row of quarantine_hourly may grow after a decision: what is still
-- open is the row less the sum of its decisions.
create table quarantine_decision (
    id           uuid        primary key,
    exporter_id  uuid        not null references exporter,
    hour         timestamptz not null,
    service_id   uuid        not null references service,
    direction    text        not null check (direction in ('in', 'out')),
    rate         bigint      not null,          -- the rate that could not be believed
    decision     text        not null check (decision in ('released', 'rejected')),
    rate_given   bigint      check (rate_given between 1 and 4294967295),
    samples      bigint      not null check (samples > 0),
    frame_length bigint      not null,
    ip_length    bigint      not null,
    reason       text        not null,
    decided_at   timestamptz not null,
    check ((decision = 'released') = (rate_given is not null))
);
create index quarantine_decision_row on quarantine_decision (exporter_id, hour, service_id, direction, rate);

alter table loss_hourly
    add column records               bigint not null default 0,  -- NetFlow, IPFIX and replayed flow records that passed the count policy
    add column records_lost          bigint not null default 0,  -- gaps in NetFlow v5's and IPFIX's sequences, which count records
    add column sets_without_template bigint not null default 0,  -- never decoded: their template did not come
    add column samples_elsewhere     bigint not null default 0;  -- of a prefix that is attached to another exporter

-- Which byte count a plan bills: the estimate, or its lower 95 % bound.
alter table plan  add column bill_at text not null default 'estimate' check (bill_at in ('estimate', 'lower_bound'));
alter table cycle add column bill_at text not null default 'estimate' check (bill_at in ('estimate', 'lower_bound'));
alter table cycle_snapshot add column estimated_bytes bigint;    -- by the cycle's basis and direction; null: as billable_bytes

grant select, insert, update on binding, quarantine_decision, usage_correction, port_reconciliation to ezscale_command;
grant select on port_hourly, port_rate_hourly, usage_evidence to ezscale_command;
revoke update on quarantine_decision, usage_correction from ezscale_command;
grant select on binding, port_hourly, port_rate_hourly, port_reconciliation, usage_evidence, usage_correction, quarantine_decision to ezscale_query;
grant select on binding, quarantine_decision to ezscale_meter;
grant select, insert, update on port_hourly, port_rate_hourly, usage_evidence to ezscale_meter;
grant select, update on usage_correction to ezscale_meter;

-- +goose Down
-- Forward only.
