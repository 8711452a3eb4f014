select p.id as person_id, p.name, p.email, m.rights, p.status, m.since
from membership m join person p on p.id = m.person_id
where m.customer_id = $2 and ($1::uuid is null or m.customer_id = $1)
order by array_position(array['owner', 'billing', 'technical', 'read_only'], m.rights), p.name, p.id
limit 500
