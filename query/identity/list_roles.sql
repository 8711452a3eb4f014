select r.id, r.name, r.permissions, (select count(*) from person_role pr where pr.role_id = r.id)::int as people, r.name = 'admin' as fixed
from role r
where $1::text is null or r.name = $1
order by r.name
