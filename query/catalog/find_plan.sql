select p.id as plan_id, p.name as plan_name, p.price_minor, p.currency, p.interval, p.quota_bytes, p.byte_basis, p.direction, p.bill_at, p.thresholds,
       p.overage_unit_bytes as unit_bytes, trim_scale(p.overage_unit_price)::text as unit_price, p.created_at as plan_created_at,
       coalesce((select g.version from aggregate g where g.type = 'plan' and g.id = p.id), 0) as plan_version
from plan p
where p.name = $1::text or p.id::text = lower($1)
order by p.name = $1 desc
limit 1
