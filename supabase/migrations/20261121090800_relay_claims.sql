-- A claim that comes late takes nothing from a connection that began after it; a user whom the project does not have is told so;
-- and what is older than an hour is seen by nobody, and goes whoever calls.

alter table public.relay_conversations add column began_at timestamptz(3) not null default '-infinity';
comment on column public.relay_conversations.began_at is 'When the connection began that owns it.';

-- Deletes what nobody comes back to any more. Not all at once, and nothing that another call is at: the next one goes on.
create function edge_sockets.drop_old_conversations(at_most integer default 100) returns void
language plpgsql volatile set search_path = '' as $$
begin
  delete from public.relay_conversations c using (
    select x.user_id, x.session_id from public.relay_conversations x
    where x.saved_at < now() - edge_sockets.conversation_kept()
    order by x.saved_at limit at_most for update skip locked
  ) as old where c.user_id = old.user_id and c.session_id = old.session_id;
end $$;

-- As before, unless a connection that began later has it (`taken_over`) or there is no such user (`forbidden`). Without
-- `began_at` it has begun now, and so has one whose clock runs ahead.
drop function public.relay_claim_conversation(uuid, text, uuid);
create function public.relay_claim_conversation(
  member uuid, session text, holder uuid, began_at timestamptz default now()
) returns json
language plpgsql security definer set search_path = '' as $$
declare
  began constant timestamptz(3) := least(relay_claim_conversation.began_at, now());
  found_one public.relay_conversations;
begin
  perform edge_sockets.require_server();
  delete from public.relay_conversations c
    where c.user_id = member and c.session_id = session and c.saved_at < now() - edge_sockets.conversation_kept();

  select * into found_one from public.relay_conversations c where c.user_id = member and c.session_id = session for update;
  begin
    insert into public.relay_conversations as c (user_id, session_id, owner, told, began_at)
      values (member, session, holder, false, began)
      on conflict (user_id, session_id) do update
        set owner = excluded.owner, told = false, saved_at = now(), began_at = excluded.began_at
        where c.began_at <= excluded.began_at;
  exception when foreign_key_violation then
    return to_json('forbidden'::text);
  end;
  if not found then
    return to_json('taken_over'::text);
  end if;
  delete from public.relay_conversations c where c.user_id = member and c.session_id in (
    select x.session_id from public.relay_conversations x where x.user_id = member
    order by x.session_id = session desc, x.saved_at desc offset edge_sockets.max_conversations_per_user()
  );
  return json_build_object(
    'config', found_one.config,
    'due', coalesce(found_one.due, '[]'),
    'untold', coalesce(found_one.untold, '[]'),
    'ends', coalesce(found_one.ends, '[]'),
    'told', coalesce(found_one.told, true),
    'items', (
      select coalesce(json_agg(
        json_build_object('id', i.item_id, 'place', i.place, 'item', i.item, 'audio_ms', i.audio_ms) order by i.place), '[]')
      from public.relay_conversation_items i where i.user_id = member and i.session_id = session
    ),
    'pending', (
      select coalesce(json_agg(json_build_object('number', p.number, 'event', p.event) order by p.number), '[]')
      from public.relay_conversation_pending p where p.user_id = member and p.session_id = session
    )
  );
end $$;
revoke all on function public.relay_claim_conversation(uuid, text, uuid, timestamptz)
  from public, anon, authenticated, service_role;
grant execute on function public.relay_claim_conversation(uuid, text, uuid, timestamptz) to service_role;
revoke all on function edge_sockets.drop_old_conversations(integer) from public, anon, authenticated, service_role;

-- Whoever claims, stores or removes one takes along what is old.
create function edge_sockets.drop_old_conversations_too() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- Not for what that deletes itself, nor with a user who is deleted.
  if pg_trigger_depth() = 1 then
    perform edge_sockets.drop_old_conversations();
  end if;
  return null;
end $$;
revoke all on function edge_sockets.drop_old_conversations_too() from public, anon, authenticated, service_role;
create trigger drop_old after update or delete on public.relay_conversations
  for each statement execute function edge_sockets.drop_old_conversations_too();

-- And where the project has a clock of its own, that does, so that a quiet one keeps nothing either.
do $$ begin
  if to_regprocedure('cron.schedule(text, text, text)') is not null then
    perform cron.schedule(
      'edge_sockets_conversations', '*/10 * * * *', 'select edge_sockets.drop_old_conversations(10000)'
    );
  end if;
end $$;

-- What is old is gone for its user as well, though its row may still be there.
grant execute on function edge_sockets.conversation_kept() to authenticated;
alter policy "relay_conversations: one's own" on public.relay_conversations
  using (
    user_id = (select edge_sockets.user_id()) and saved_at >= (select now() - edge_sockets.conversation_kept())
  );
alter policy "relay_conversation_items: what was said in one's own" on public.relay_conversation_items
  using (
    user_id = (select edge_sockets.user_id()) and role in ('user', 'assistant')
    and session_id in (select c.session_id from public.relay_conversations c)
  );
