select i.id, i.number, i.kind, i.status, i.customer_name, i.customer_email, i.service_id, s.name as service_name,
       c.starts_at, c.ends_at, i.total_minor, i.currency, i.finalised_at
from invoice i
join service s on s.id = i.service_id
join cycle c on c.id = i.cycle_id
join customer u on u.id = i.customer_id
where ($1::uuid is null or i.customer_id = $1)
  and ($2::text = '' or u.email = lower($2) or i.customer_id::text = lower($2))
  and ($3::text = '' or s.name = $3 or i.service_id::text = lower($3))
  and ($4::timestamptz is null or i.finalised_at < $4 or (i.finalised_at = $4 and i.id::text < $5::text))
order by i.finalised_at desc, i.id::text desc
limit $6
