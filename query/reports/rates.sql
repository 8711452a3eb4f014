with seen as (
    select r.*, sum(r.samples) over (partition by r.exporter_id, r.if_index, r.hour) as of_hour,
           sum(r.samples) over (partition by r.exporter_id, r.if_index, r.rate) as of_rate
    from port_rate_hourly r
    where r.hour >= @from::timestamptz and r.hour < @to::timestamptz
      and (@exporter::uuid is null or r.exporter_id = @exporter) and (@port::bigint is null or r.if_index = @port)
), judged as (
    select s.*, first_value(s.rate) over (partition by s.exporter_id, s.if_index order by s.of_rate desc, s.rate) as usual_rate
    from seen s
)
select to_char(j.hour, 'YYYYMMDDHH24') || j.exporter_id || '/' || j.if_index || '/' || j.rate as sort_key,
       j.exporter_id, e.name as exporter, j.if_index, coalesce(p.name, '') as port, j.hour, j.rate, j.samples,
       round(100.0 * j.samples / nullif(j.of_hour, 0), 4)::float8 as share_percent, j.usual_rate, j.rate > j.usual_rate as above_usual
from judged j
join exporter e on e.id = j.exporter_id
left join port p on p.exporter_id = j.exporter_id and p.if_index = j.if_index
where j.samples > 0 and (@state::text = 'all' or j.rate > j.usual_rate)
