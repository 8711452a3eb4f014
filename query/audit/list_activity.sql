with object as (
    select $2::uuid as id where $2::uuid is not null
    union all
    select s.id from service s where s.customer_id = $2::uuid
), found as (
    (select a.id from audit a
     where a.actor = $1 and ($3::timestamptz is null or (a.at, a.id) < ($3, $4::bigint))
     order by a.at desc, a.id desc limit $5)
    union
    select of_object.id from object o, lateral (
        select a.id from audit a
        where a.aggregate_id = o.id and a.aggregate_type in ('customer', 'service')
          and a.command <> 'account.WriteNote' -- for staff alone, as the note is
          and ($3::timestamptz is null or (a.at, a.id) < ($3, $4::bigint))
        order by a.at desc, a.id desc limit $5
    ) of_object
)
select a.id, a.at, a.command, a.aggregate_type, a.aggregate_id,
       case when a.actor = $1 then 'you' when a.actor like 'staff:%' then 'staff' when a.actor like 'person:%' then 'other' else 'system' end as by,
       case when a.actor <> $1 then substring(a.actor from '^staff:([0-9a-f-]{36}) as person:')::uuid end as impersonator_id,
       case when a.actor = $1 then host(a.ip) end as ip,
       case when a.actor = $1 then a.user_agent end as user_agent
from found f
join audit a on a.id = f.id
order by a.at desc, a.id desc
limit $5
