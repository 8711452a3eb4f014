select e.id, e.name, e.source::text as source, host(e.agent) as agent, e.count_policy, e.rate_min, e.rate_max, e.inside, e.rate_default, e.rate_override, e.created_at,
       coalesce((select g.version from aggregate g where g.type = 'exporter' and g.id = e.id), 0) as version,
       seen.first_at, seen.last_at,
       coalesce((select m.datagrams from loss_minute m
                 where m.exporter_id = e.id and m.minute = date_trunc('minute', $3::timestamptz) - interval '1 minute'), 0) as minute_datagrams,
       coalesce((select sum(m.datagrams_lost) from loss_minute m
                 where m.exporter_id = e.id and m.minute >= $4::timestamptz), 0)::bigint as lost_lately,
       coalesce(recent.datagrams, 0)::bigint as datagrams_two_hours, coalesce(recent.samples, 0)::bigint as samples_two_hours
from exporter e
left join exporter_seen seen on seen.exporter_id = e.id
left join lateral (
    select sum(l.datagrams) as datagrams, sum(l.samples + l.samples_evidence) as samples
    from loss_hourly l
    where l.exporter_id = e.id and l.hour > $3::timestamptz - interval '2 hours' and l.hour <= $3
) recent on true
where ($1::text is null or e.name > $1)
  and ($5::text = '' or e.name = $5 or e.id::text = lower($5))
order by e.name
limit $2
