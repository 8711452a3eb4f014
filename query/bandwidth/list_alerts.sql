select json_build_object('id', s.id, 'name', s.name) as service, q.cycle_id, q.threshold, q.quota_bytes, q.billable_bytes, q.crossed_at
from quota_alert q
join service s on s.id = q.service_id
where ($1::uuid is null or s.customer_id = $1)
  and ($2::uuid is null or q.service_id = $2)
  and ($3::timestamptz is null or q.crossed_at < $3
       or (q.crossed_at = $3 and q.cycle_id::text || lpad((q.threshold % 1000)::text, 3, '0') < $4::text))
order by q.crossed_at desc, q.cycle_id::text || lpad((q.threshold % 1000)::text, 3, '0') desc
limit $5
