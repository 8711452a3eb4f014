select to_char(r.hour, 'YYYYMMDDHH24') || r.exporter_id || '/' || r.if_index as sort_key,
       r.exporter_id, e.name as exporter, r.if_index, coalesce(p.name, '') as port, r.hour, r.verdict,
       r.ratio_in::float8 as ratio_in, r.ratio_out::float8 as ratio_out,
       greatest(abs(r.ratio_in - 1), abs(r.ratio_out - 1))::float8 as deviation,
       coalesce(h.octets_in, 0) as octets_in, coalesce(h.octets_out, 0) as octets_out,
       coalesce(case when h.samples_in > 0 then h.flow_in else h.flow_in_elsewhere end, 0) as flow_in,
       coalesce(case when h.samples_out > 0 then h.flow_out else h.flow_out_elsewhere end, 0) as flow_out,
       coalesce(case when h.samples_in > 0 then h.samples_in else h.samples_in_elsewhere end, 0) as samples_in,
       coalesce(case when h.samples_out > 0 then h.samples_out else h.samples_out_elsewhere end, 0) as samples_out,
       coalesce(h.resets, 0) as resets, coalesce(h.gap_seconds, 0) as gap_seconds,
       s.id as service_id, s.name as service, r.judged_at
from port_reconciliation r
join exporter e on e.id = r.exporter_id
left join port_hourly h on h.exporter_id = r.exporter_id and h.if_index = r.if_index and h.hour = r.hour
left join port p on p.exporter_id = r.exporter_id and p.if_index = r.if_index
left join lateral (
    select b.service_id
    from binding b
    where b.exporter_id = r.exporter_id and b.if_index = r.if_index and b.valid && tstzrange(r.hour, r.hour + interval '1 hour')
    order by b.valid desc
    limit 1
) b on true
left join service s on s.id = b.service_id
where r.hour >= @from::timestamptz and r.hour < @to::timestamptz
  and (@exporter::uuid is null or r.exporter_id = @exporter)
  and (@port::bigint is null or r.if_index = @port)
  and (@service::uuid is null or s.id = @service)
  and (@state::text = 'all' or r.verdict = @state)
