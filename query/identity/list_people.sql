select p.id, p.email, p.email_verified_at is not null as email_verified, p.name, p.status, p.created_at,
    (select count(*) from membership m where m.person_id = p.id)::int as accounts,
    (select max(s.seen_at) from session s where s.person_id = p.id and s.impersonator_id is null) as seen_at
from person p
where p.site = 'account'
  and ($1::text = '' or position(lower($1) in p.email) > 0 or position(lower($1) in lower(p.name)) > 0)
  and ($2::text is null or p.email > $2)
order by p.email
limit $3
