select c.id, c.email, c.name, c.company, c.phone, c.tax_id as sealed_tax_id, c.tax_exempt, c.locale, c.time_zone, c.status, c.created_at,
    (select to_jsonb(a) - 'customer_id' - 'kind' from customer_address a where a.customer_id = c.id and a.kind = 'billing') as billing_address,
    (select to_jsonb(a) - 'customer_id' - 'kind' from customer_address a where a.customer_id = c.id and a.kind = 'shipping') as shipping_address,
    coalesce((select g.version from aggregate g where g.type = 'customer' and g.id = c.id), 0) as version
from customer c
where ($1::uuid is null or c.id = $1) and (c.email = lower($2::text) or c.id::text = lower($2))
limit 1
