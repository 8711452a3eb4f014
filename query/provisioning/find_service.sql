select s.id, s.name, s.since,
       coalesce((select g.version from aggregate g where g.type = 'service' and g.id = s.id), 0) as version,
       json_build_object('id', c.id, 'name', c.name, 'email', c.email) as customer,
       p.id as plan_id, p.name as plan_name, p.price_minor, p.currency, p.interval, p.quota_bytes, p.byte_basis, p.direction, p.bill_at, p.thresholds,
       p.overage_unit_bytes as unit_bytes, trim_scale(p.overage_unit_price)::text as unit_price, p.created_at as plan_created_at,
       coalesce((select g.version from aggregate g where g.type = 'plan' and g.id = p.id), 0) as plan_version,
       coalesce((select json_agg(json_build_object('prefix', a.prefix::text,
                            'from', to_char(lower(a.valid) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                            'to', to_char(upper(a.valid) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'attachment', case when $1::uuid is null then (select e.name from exporter e where e.id = a.attachment_id) end)
                            order by a.prefix, a.valid)
                 from assignment a
                 where a.service_id = s.id and (upper(a.valid) is null or upper(a.valid) > $3::timestamptz)), '[]') as prefixes,
       (select json_agg(json_build_object('exporter', e.name, 'if_index', b.if_index,
                            'from', to_char(lower(b.valid) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                            'to', to_char(upper(b.valid) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
                            order by e.name, b.if_index, b.valid)
        from binding b join exporter e on e.id = b.exporter_id
        where $1::uuid is null and b.service_id = s.id and (upper(b.valid) is null or upper(b.valid) > $3::timestamptz)) as ports
from service s
join customer c on c.id = s.customer_id
join plan p on p.id = s.plan_id
where ($1::uuid is null or s.customer_id = $1)
  and (s.name = $2::text or s.id::text = lower($2))
order by s.name = $2 desc
limit 1
