select p.id, p.email, p.email_verified_at is not null as email_verified, p.name, p.status, p.created_at,
    (select count(*) from membership m where m.person_id = p.id)::int as accounts,
    array(select jsonb_build_object('customer_id', c.id, 'name', coalesce(nullif(c.company, ''), c.name), 'rights', m.rights)
        from membership m join customer c on c.id = m.customer_id where m.person_id = p.id order by m.since, c.id limit 20) as memberships,
    (select max(s.seen_at) from session s where s.person_id = p.id and s.impersonator_id is null) as seen_at
from person p
where p.site = 'account'
  and ($1::text = '' or position(lower($1) in p.email) > 0 or position(lower($1) in lower(p.name)) > 0 or p.id::text = lower($1))
  and ($2::text is null or p.email > $2)
order by p.email
limit $3
