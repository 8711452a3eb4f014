with known as (
    select e.id, e.name, s.first_at
    from exporter e
    left join exporter_seen s on s.exporter_id = e.id
    where @exporter::uuid is null or e.id = @exporter
), ledger as (
    select l.*
    from loss_hourly l
    join known k on k.id = l.exporter_id
    where l.hour >= @from::timestamptz and l.hour < @to::timestamptz
), lasting as (
    select k.id as exporter_id, g.hour
    from known k
    cross join lateral generate_series(greatest(@from, date_trunc('hour', k.first_at, 'UTC')), least(@to, @now::timestamptz) - interval '1 microsecond', interval '1 hour') g (hour)
    where k.first_at is not null
), heard as (
    select m.exporter_id, date_trunc('hour', m.minute, 'UTC') as hour, count(*) filter (where m.datagrams > 0) as minutes
    from loss_minute m
    where m.minute >= @from and m.minute < @to and m.exporter_id in (select id from known)
    group by m.exporter_id, date_trunc('hour', m.minute, 'UTC')
), refused as (
    select r.exporter_id, r.hour, jsonb_object_agg(r.reason, r.count) as reasons
    from reject_hourly r
    where r.hour >= @from and r.hour < @to and r.count > 0 and r.exporter_id in (select id from known)
    group by r.exporter_id, r.hour
), hours as (
    select exporter_id, hour, l is not null as lasts, z
    from lasting l
    full join ledger z using (exporter_id, hour)
)
select to_char(h.hour, 'YYYYMMDDHH24') || h.exporter_id as sort_key, h.exporter_id, k.name as exporter, h.hour,
       case when h.lasts and h.hour >= @minutes_since::timestamptz then greatest(0,
           floor(extract(epoch from least(h.hour + interval '1 hour', greatest(@settled::timestamptz, h.hour)) - greatest(h.hour, date_trunc('minute', k.first_at))) / 60)
           - coalesce(m.minutes, 0))::bigint end as silent_minutes,
       coalesce((h.z).datagrams, 0) as datagrams, coalesce((h.z).datagrams_lost, 0) as datagrams_lost,
       coalesce((h.z).datagrams_duplicate, 0) as datagrams_duplicate, coalesce((h.z).datagrams_rejected, 0) as datagrams_rejected,
       coalesce(r.reasons, '{}') as rejected, coalesce((h.z).restarts, 0) as restarts,
       coalesce((h.z).samples, 0) as samples, coalesce((h.z).samples_evidence, 0) as samples_evidence,
       coalesce((h.z).samples_elsewhere, 0) as samples_elsewhere, coalesce((h.z).samples_lost, 0) as samples_lost,
       coalesce((h.z).samples_dropped, 0) as samples_dropped, coalesce((h.z).samples_quarantined, 0) as samples_quarantined,
       coalesce((h.z).samples_without_ip, 0) as samples_without_ip, coalesce((h.z).samples_rejected, 0) as samples_rejected,
       coalesce((h.z).samples_unknown, 0) as samples_unknown, coalesce((h.z).samples_unattributed, 0) as samples_unattributed,
       coalesce((h.z).bytes_unattributed_l2, 0) as bytes_unattributed_l2,
       coalesce((h.z).records, 0) as records, coalesce((h.z).records_lost, 0) as records_lost,
       coalesce((h.z).sets_without_template, 0) as sets_without_template,
       coalesce((h.z).counter_samples, 0) as counter_samples, coalesce((h.z).discard_samples, 0) as discard_samples,
       coalesce((h.z).kernel_drops, 0) as kernel_drops, coalesce((h.z).spool_drops, 0) as spool_drops
from hours h
join known k on k.id = h.exporter_id
left join heard m on m.exporter_id = h.exporter_id and m.hour = h.hour
left join refused r on r.exporter_id = h.exporter_id and r.hour = h.hour
where @state::text = 'all'
   or (h.z) is null
   or greatest((h.z).datagrams_lost, 0) + greatest((h.z).samples_lost, 0) + greatest((h.z).records_lost, 0) + (h.z).samples_dropped + (h.z).datagrams_rejected + (h.z).samples_rejected
      + (h.z).samples_quarantined + (h.z).sets_without_template + (h.z).kernel_drops + (h.z).spool_drops + (h.z).restarts > 0
