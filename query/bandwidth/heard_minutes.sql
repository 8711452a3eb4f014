with metered as (
    select distinct exporter_id from usage_hourly
    where service_id = $1 and hour >= $5::timestamptz and hour < $4
), concerned as (
    select exporter_id from metered
    union all
    select id from exporter where not exists (select from metered)
), heard as (
    select (floor(extract(epoch from minute) / $2::bigint) * $2)::bigint as at,
           count(*) filter (where datagrams > 0) as minutes, greatest(sum(lost), 0)::bigint as lost
    from (select minute, datagrams, datagrams_lost as lost
          from loss_minute
          where exporter_id in (select exporter_id from concerned) and minute >= $3 and minute < $4) m
    group by 1
)
select coalesce(h.at, -1) as at, (select count(*) from concerned) as exporters,
       coalesce(h.minutes, 0) as minutes, coalesce(h.lost, 0) as lost
from (select) one
left join heard h on true
