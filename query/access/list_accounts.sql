select c.id as customer_id, c.name, m.rights
from membership m join customer c on c.id = m.customer_id and c.status <> 'banned'
where m.person_id = $1
order by c.name, c.id
limit 1000
