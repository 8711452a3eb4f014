with usual as (
    select distinct on (r.exporter_id, r.if_index) r.exporter_id, r.if_index, r.rate
    from (select exporter_id, if_index, rate, sum(samples) as samples
          from port_rate_hourly
          where hour >= @from::timestamptz and hour < @to::timestamptz
            and (@exporter::uuid is null or exporter_id = @exporter) and (@port::bigint is null or if_index = @port)
          group by exporter_id, if_index, rate) r
    order by r.exporter_id, r.if_index, r.samples desc, r.rate
)
select to_char(r.hour, 'YYYYMMDDHH24') || r.exporter_id || '/' || r.if_index || '/' || r.rate as sort_key,
       r.exporter_id, e.name as exporter, r.if_index, coalesce(p.name, '') as port, r.hour, r.rate, r.samples,
       round(100.0 * r.samples / (select sum(h.samples) from port_rate_hourly h where h.exporter_id = r.exporter_id and h.if_index = r.if_index and h.hour = r.hour), 4)::float8 as share_percent,
       u.rate as usual_rate, r.rate > u.rate as above_usual
from port_rate_hourly r
join usual u on u.exporter_id = r.exporter_id and u.if_index = r.if_index
join exporter e on e.id = r.exporter_id
left join port p on p.exporter_id = r.exporter_id and p.if_index = r.if_index
where r.hour >= @from and r.hour < @to and r.samples > 0
  and (@state::text = 'all' or r.rate > u.rate)
