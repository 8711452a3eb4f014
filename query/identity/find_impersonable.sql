select p.id as person_id, c.id as customer_id
from person p
join membership m on m.person_id = p.id and m.customer_id = $2
join customer c on c.id = m.customer_id and c.status <> 'banned'
where p.id = $1 and p.site = 'account' and p.status = 'active'
