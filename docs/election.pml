/*
 * Seats, votes and mandates, as overlay/roles has them, for the model checker spin (https://spinroot.com). tests/roles/test_model.py checks
 * every property, and that each of them fails without the rule that it rests on.
 *
 *   spin -a -DONE_VIEW docs/election.pml && gcc -O2 -DSAFETY -o pan pan.c && ./pan
 *   spin -a -DTWO_VIEWS docs/election.pml && gcc -O2 -o pan pan.c && ./pan -a -f -N surplusEnds
 *   spin -a -DPROGRESS docs/election.pml && gcc -O2 -o pan pan.c && ./pan -a -f -N filledAtLast
 *
 * A message that was sent is a bit that stays: so it may arrive late, twice, in any order, or never.
 */

#ifdef ONE_VIEW

/*
 * One seat, whose caller is dishonest: it nominates two candidates. The electors keep the rules, and may crash between any two steps; all
 * that they have not stored is lost then. Whoever has both nominations and all votes tries to make mandates of them.
 *
 * Without the rule: STORED_LATER (Elector._decide stores the vote after it was sent), DOUBLE_ACCEPTED (no look at what was voted before),
 * HALF (less than a majority is enough), COUNTED_TWICE (_checked takes a ballot that it has seen), CORRUPT (one elector signs whatever it
 * is shown), DISJOINT (two views of the membership: each nomination has an electorate of its own).
 */
#define ELECTORS 5
#ifdef HALF
#define MAJORITY (ELECTORS / 2)
#else
#define MAJORITY (ELECTORS / 2 + 1)
#endif
#ifdef DISJOINT
#define PEERS (2 * ELECTORS)
#define named(nomination, elector) ((elector) / ELECTORS == nomination)
#else
#define PEERS ELECTORS
#define named(nomination, elector) true
#endif
#define NONE 2

typedef Ballots { bit by[PEERS] };
Ballots sent[2];            /* votes that have left their electors, by nomination */
bit mandate[2];             /* that a verifier accepts */

proctype Elector(byte me) {
	byte stored = NONE;     /* the nomination that _KeptVote names: survives a crash */
	bit voided;             /* so does _KeptVote.void */
	byte asked;
end:
	do
	:: atomic {             /* VoteWanted: any of the two, any number of times */
		if
		:: named(0, me) -> asked = 0
		:: named(1, me) -> asked = 1
		fi;
		if
#ifdef CORRUPT
		:: me == 0 -> sent[asked].by[me] = 1
#endif
#ifdef DOUBLE_ACCEPTED
		:: stored != NONE && stored != asked -> sent[asked].by[me] = 1
#else
		:: stored != NONE && stored != asked -> voided = 1
#endif
		:: stored == asked && !voided -> sent[asked].by[me] = 1
		:: stored == asked && voided
#ifdef STORED_LATER
		:: stored == NONE ->
			sent[asked].by[me] = 1;
			if
			:: stored = asked
			:: skip         /* a crash */
			fi
#else
		/* A crash may follow; that the vote leaves is the line above, now or when it is asked for again. */
		:: stored == NONE -> stored = asked
#endif
		fi;
		asked = 0
	}
	od
}

/* checkMandate: the ballots come in whatever order and number their bearer likes. */
proctype Verifier(bit nomination) {
	byte ballots, different, elector;
	bit seen[PEERS];
end:
	do
	:: atomic {
		do
		:: ballots < MAJORITY ->
			select(elector : 0 .. PEERS - 1);
			if
			:: !sent[nomination].by[elector] || !named(nomination, elector) -> break
#ifndef COUNTED_TWICE
			:: seen[elector] -> break
#endif
			:: else
			fi;
			different = different + (seen[elector] -> 0 : 1);
			seen[elector] = 1;
			ballots++
		:: else ->
			assert(different >= MAJORITY);          /* no vote is counted twice */
			mandate[nomination] = 1;
			assert(!(mandate[0] && mandate[1]));    /* never two mandates for one seat */
			break
		od;
		d_step {
			elector = 0;
			do
			:: elector < PEERS -> seen[elector] = 0; elector++
			:: else -> break
			od;
			elector = 0; ballots = 0; different = 0
		}
	}
	od
}

init {
	byte each;
	atomic {
		do
		:: each < PEERS -> run Elector(each); each++
		:: else -> break
		od;
		run Verifier(0);
		run Verifier(1)
	}
}

#endif

#ifdef TWO_VIEWS

/*
 * A split: on each side a super-peer with a mandate by an electorate of that side, where the load of both together asks for one. Then the
 * network is healed, at any moment or at once. One of the two may vanish at any moment. What is left of a mandate is counted in quarters of its
 * life; a living holder renews it after half of it, and one that has lapsed is recognised by nobody.
 *
 * Without the rule: EXPIRY_IGNORED (a mandate holds for ever), SURPLUS_STAYS (nobody resigns), BOTH_RESIGN (whoever carries more resigns too).
 */
#define LIFE 4

byte left[2] = LIFE;
bit healed;
bit vanished[2];
bit resigned[2];

#define serves(holder) (!resigned[holder] && left[holder] > 0)
#define other(holder) (1 - (holder))
#define due(holder) (!vanished[holder] && serves(holder) && left[holder] <= LIFE / 2)
/* Fittest.shouldResign: of those that are known it is the one that carries less, and the other has room; long before the next renewal. */
#if defined(SURPLUS_STAYS)
#define mayResign(holder) false
#elif defined(BOTH_RESIGN)
#define mayResign(holder) (healed && serves(holder) && serves(other(holder)) && !vanished[other(holder)])
#else
#define mayResign(holder) (healed && serves(holder) && serves(other(holder)) && !vanished[other(holder)] && holder == 1)
#endif

proctype Holder(bit me) {
	do
	:: atomic { due(me) && !mayResign(me) -> left[me] = LIFE }
#ifdef BOTH_RESIGN
	:: mayResign(me) -> resigned[me] = 1                 /* what was seen may be past */
#else
	:: atomic { mayResign(me) -> resigned[me] = 1 }
#endif
	:: atomic { !vanished[me] && !vanished[other(me)] -> vanished[me] = 1; break }
	od
}

active proctype Time() {
	do
	:: atomic {             /* who is alive has looked at its mandate before the next quarter of an hour is over */
		!due(0) && !due(1) ->
#ifndef EXPIRY_IGNORED
		left[0] = (left[0] > 0 -> left[0] - 1 : 0);
		left[1] = (left[1] > 0 -> left[1] - 1 : 0);
#endif
		skip
	}
	od
}

active proctype Network() {
	healed = 1
}

init {
	atomic { run Holder(0); run Holder(1) }
}

ltl surplusEnds { <> [] !(serves(0) && serves(1)) }
/* The other holder loses its mandate only with its life. */
ltl serviceGoesOn { [] (vanished[0] || serves(0)) }

#endif

#ifdef PROGRESS

/*
 * An honest caller fills one place, seat after seat, until a candidate serves. One elector never answers, one may crash, and may come
 * back or not; a few messages are lost. The nearest SIZE of the pool are the electors of each seat. Timers are longer than any delay.
 *
 * Without the rule: NO_TIMER (a caller waits for ever), NO_REPLACEMENT (the dead and the mute stay electors), BARRED_FOREVER (abandoned
 * seats are never forgiven).
 */
#define POOL 5
#define SIZE 3
#define MAJORITY 2
#define LOSSES 3
#define TOLERATED 2
#define ABANDONED_MOST 3
#define MUTE 0

bit asked[POOL], voted[POOL], offered, filled;
bit dead[POOL], passedOver[POOL];
byte lost;

#define mayBeLost(message) atomic { message && lost < LOSSES -> message = 0; lost++ }

proctype Elector(byte me) {
end:
	do
	:: atomic { asked[me] && !dead[me] && me != MUTE -> asked[me] = 0; voted[me] = 1 }
	:: mayBeLost(asked[me])
	:: mayBeLost(voted[me])
	od
}

/* One elector crashes at some moment, and comes back at some later one, or never. */
active proctype Fate() {
	byte one;
	select(one : 1 .. POOL - 1);
	if
	:: dead[one] = 1
	:: skip
	fi;
	if
	:: dead[one] = 0
	:: skip
	fi
}

active proctype Caller() {
	byte each, electors, votes, over, abandoned;
	bit elector[POOL], answered[POOL];
seat:
	skip;
	d_step {
		/* reachElectors: those that do not answer a dial are dead, the next nearest takes their place. */
		electors = 0; votes = 0; each = 0;
		do
		:: each < POOL ->
			asked[each] = 0; voted[each] = 0; answered[each] = 0;
#ifdef NO_REPLACEMENT
			elector[each] = (electors < SIZE);
#else
			elector[each] = (electors < SIZE && !dead[each] && !passedOver[each]);
#endif
			electors = electors + elector[each];
			asked[each] = elector[each];
			each++
		:: else -> break
		od;
		each = 0
	}
	do
	:: atomic { votes >= MAJORITY -> break }
	:: d_step { votes < MAJORITY && voted[0] -> voted[0] = 0; votes = votes + !answered[0]; answered[0] = 1 }
	:: d_step { votes < MAJORITY && voted[1] -> voted[1] = 0; votes = votes + !answered[1]; answered[1] = 1 }
	:: d_step { votes < MAJORITY && voted[2] -> voted[2] = 0; votes = votes + !answered[2]; answered[2] = 1 }
	:: d_step { votes < MAJORITY && voted[3] -> voted[3] = 0; votes = votes + !answered[3]; answered[3] = 1 }
	:: d_step { votes < MAJORITY && voted[4] -> voted[4] = 0; votes = votes + !answered[4]; answered[4] = 1 }
#ifndef NO_TIMER
	:: timeout -> goto abandon
#endif
	od;
	/* giveMandate: the winner takes it, or the message is lost and a timer ends the seat. */
	if
	:: atomic { lost < LOSSES -> lost++; goto abandon }
	:: filled = 1; goto done
	fi;
abandon:
	skip;
	d_step {
		each = 0;
		do
		:: each < POOL ->
			if
			:: votes < MAJORITY && elector[each] && !answered[each] && over < TOLERATED ->
				over++; passedOver[each] = 1
			:: else
			fi;
			each++
		:: else -> break
		od;
		each = 0; abandoned++
	}
	if
	:: abandoned < ABANDONED_MOST
#ifndef BARRED_FOREVER
	:: abandoned >= ABANDONED_MOST ->
		/* An hour goes by; those that were passed over are asked again after ten minutes. */
		d_step {
			abandoned = 0; over = 0;
			do
			:: each < POOL -> passedOver[each] = 0; each++
			:: else -> break
			od;
			each = 0
		}
#endif
	fi;
	goto seat;
done:
	skip
}

init {
	byte each;
	atomic {
		do
		:: each < POOL -> run Elector(each); each++
		:: else -> break
		od
	}
}

ltl filledAtLast { <> filled }

#endif
