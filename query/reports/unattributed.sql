select host(u.address) as sort_key, case u.address when '::' then 'others' else host(u.address) end as address,
       string_agg(distinct e.name, ', ' order by e.name) as exporters,
       sum(u.bytes_l2)::bigint as bytes_l2, sum(u.bytes_l3)::bigint as bytes_l3,
       sum(u.packets)::bigint as packets, sum(u.samples)::bigint as samples,
       count(distinct u.hour) as hours, min(u.hour) as first_hour, max(u.hour) as last_hour
from unattributed_hourly u
join exporter e on e.id = u.exporter_id
where u.hour >= @from::timestamptz and u.hour < @to::timestamptz
  and (@exporter::uuid is null or u.exporter_id = @exporter)
  and (@search::text = '' or u.address <> '::' and u.address <<= nullif(@search, '')::inet)
group by u.address
