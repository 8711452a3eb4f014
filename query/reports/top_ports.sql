with used as (
    select h.exporter_id, h.if_index, count(*) filter (where h.readings > 0) as hours,
           sum(h.octets_in) as octets_in, sum(h.octets_out) as octets_out,
           sum(h.flow_in) as flow_in, sum(h.flow_out) as flow_out,
           sum(h.flow_in_elsewhere) as flow_in_elsewhere, sum(h.flow_out_elsewhere) as flow_out_elsewhere,
           sum(h.samples_in) as samples_in, sum(h.samples_out) as samples_out,
           sum(h.samples_in_elsewhere) as samples_in_elsewhere, sum(h.samples_out_elsewhere) as samples_out_elsewhere,
           sum(h.readings) as readings, sum(h.resets) as resets, sum(h.implausible) as implausible, sum(h.gap_seconds) as gap_seconds
    from port_hourly h
    where h.hour >= @from::timestamptz and h.hour < @to::timestamptz and (@exporter::uuid is null or h.exporter_id = @exporter)
    group by h.exporter_id, h.if_index
)
select e.id::text || '/' || u.if_index as sort_key, e.id as exporter_id, e.name as exporter, u.if_index,
       coalesce(p.name, '') as port, least(coalesce(p.speed, 0), 9223372036854775807)::bigint as speed,
       s.id as service_id, s.name as service,
       u.octets_in::bigint as octets_in, u.octets_out::bigint as octets_out, (u.octets_in + u.octets_out)::bigint as octets,
       round(800 * greatest(u.octets_in, u.octets_out) / nullif(p.speed * 3600 * u.hours, 0), 4)::float8 as use_percent,
       u.flow_in::bigint as flow_in, u.flow_out::bigint as flow_out,
       u.flow_in_elsewhere::bigint as flow_in_elsewhere, u.flow_out_elsewhere::bigint as flow_out_elsewhere,
       u.samples_in::bigint as samples_in, u.samples_out::bigint as samples_out,
       round(case when u.samples_in > 0 then u.flow_in when u.samples_in_elsewhere > 0 then u.flow_in_elsewhere end / nullif(u.octets_in, 0), 4)::float8 as ratio_in,
       round(case when u.samples_out > 0 then u.flow_out when u.samples_out_elsewhere > 0 then u.flow_out_elsewhere end / nullif(u.octets_out, 0), 4)::float8 as ratio_out,
       u.readings::bigint as readings, u.resets::bigint as resets, u.implausible::bigint as implausible, u.gap_seconds::bigint as gap_seconds
from used u
join exporter e on e.id = u.exporter_id
left join port p on p.exporter_id = u.exporter_id and p.if_index = u.if_index
left join lateral (
    select b.service_id
    from binding b
    where b.exporter_id = u.exporter_id and b.if_index = u.if_index and b.valid && tstzrange(@from::timestamptz, @to::timestamptz)
    order by b.valid desc
    limit 1
) b on true
left join service s on s.id = b.service_id
where (@service::uuid is null or s.id = @service)
