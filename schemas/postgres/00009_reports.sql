-- What reports read, and the indexes that let them find a range of hours over all exporters.

-- +goose Up

-- Samples of an unbelievable rate that wait for a decision: the row less the sum of its decisions.
create view quarantine_open as
select q.exporter_id, q.hour, q.service_id, q.direction, q.rate, q.samples - d.samples as samples,
       q.frame_length - d.frame_length as frame_length, q.ip_length - d.ip_length as ip_length
from quarantine_hourly q
cross join lateral (
    select coalesce(sum(d.samples), 0)::bigint as samples, coalesce(sum(d.frame_length), 0)::bigint as frame_length,
           coalesce(sum(d.ip_length), 0)::bigint as ip_length
    from quarantine_decision d
    where d.exporter_id = q.exporter_id and d.hour = q.hour and d.service_id = q.service_id and d.direction = q.direction and d.rate = q.rate
) d
where q.samples > d.samples;

create index quarantine_hourly_hour on quarantine_hourly (hour);
create index quarantine_hourly_service on quarantine_hourly (service_id, hour);
create index quarantine_decision_time on quarantine_decision (decided_at);
create index usage_correction_time on usage_correction (created_at);
create index unattributed_hourly_hour on unattributed_hourly (hour);
create index usage_evidence_hour on usage_evidence (hour);
create index port_rate_hourly_hour on port_rate_hourly (hour);
create index port_reconciliation_hour on port_reconciliation (hour);
create index loss_hourly_hour on loss_hourly (hour);

grant select on quarantine_open to ezscale_query;

-- +goose Down
-- Forward only.
