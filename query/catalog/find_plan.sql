select id, name, price_minor, currency, interval, quota_bytes, byte_basis as basis, direction, thresholds,
       overage_unit_bytes as unit_bytes, trim_scale(overage_unit_price)::text as unit_price, created_at
from plan
where name = $1::text or id::text = lower($1)
order by name = $1 desc
limit 1
