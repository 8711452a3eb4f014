select s.id as session_id, s.impersonator_id, i.name as impersonator, s.person_id, p.name as person, s.customer_id, c.name as customer, s.reason,
    s.widened as write, s.opened_at, s.expires_at, s.ended_at
from session s
join person i on i.id = s.impersonator_id
join person p on p.id = s.person_id
join customer c on c.id = s.customer_id
where ($1::timestamptz is null or (s.opened_at, s.id) < ($1, $2::text::uuid))
  and ($4::uuid is null or s.impersonator_id = $4) and ($5::uuid is null or s.person_id = $5) and ($6::text = '' or c.email = lower($6) or c.id::text = lower($6))
  and ($7::timestamptz is null or s.opened_at >= $7) and ($8::timestamptz is null or s.opened_at < $8)
  and (not $9::bool or s.ended_at is null and s.expires_at > $10)
order by s.opened_at desc, s.id desc
limit $3
