select l.id, l.purpose, l.site, l.email, l.expires_at, l.person_id, l.customer_id, coalesce(l.rights, '') as rights,
    coalesce(nullif(c.company, ''), c.name, '') as account,
    coalesce(p.name, '') as person_name,
    (select o.id from customer o join membership m on m.customer_id = o.id and m.person_id = p.id and m.rights = 'owner'
        where o.email = p.email and p.site = 'account') as contact_of,
    exists (select from person o where o.site = l.site and o.email = l.email and o.email_verified_at is not null) as person_exists
from link l
left join person p on p.id = l.person_id
left join customer c on c.id = l.customer_id
where l.token_hash = $2 and l.site = $1 and l.used_at is null and l.revoked_at is null and l.expires_at > $3
  and (l.person_id is null or p.status = 'active') and (l.customer_id is null or c.status <> 'banned')
  and (l.customer_id is null or l.created_by not like 'person:%' or exists (
      select from membership m join person i on i.id = m.person_id and i.status = 'active'
      where m.customer_id = l.customer_id and m.rights = 'owner' and l.created_by = 'person:' || i.id::text))
