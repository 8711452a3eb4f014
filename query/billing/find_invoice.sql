select i.id, i.number, i.kind, i.status, i.customer_name, i.customer_email, i.service_id, s.name as service_name,
       c.starts_at, c.ends_at, i.total_minor, i.currency, i.finalised_at
from invoice i
join service s on s.id = i.service_id
join cycle c on c.id = i.cycle_id
where ($1::uuid is null or i.customer_id = $1)
  and (i.number = $2::text or i.id::text = lower($2))
