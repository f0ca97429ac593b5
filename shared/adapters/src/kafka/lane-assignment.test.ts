/** Every lane has one owner, shares are even, and no lane moves that need not. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { assignLanes, decodeAssignment, decodeClaim, encodeAssignment, encodeClaim } from './lane-assignment.ts';

const seed = Number(process.env.INKWELL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
const lanes = fc.uniqueArray(fc.integer({ min: -1, max: 20 }), { maxLength: 20 });
const claim = fc.record({ lanes, generation: fc.integer({ min: -1, max: 5 }) });

it('gives every lane to exactly one member and differs by one lane at most, whatever is claimed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 16 }), fc.array(claim, { minLength: 1, maxLength: 20 }), (count, claims) => {
      const members = claims.map((each, index) => ({ ...each, memberId: `m${index}` }));
      const assigned = assignLanes(count, members);
      expect([...assigned.keys()].toSorted()).toEqual(members.map(({ memberId }) => memberId).toSorted());
      expect([...assigned.values()].flat().toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: count }, (_, i) => i),
      );
      const shares = [...assigned.values()].map((own) => own.length);
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
    }),
    { seed },
  );
});

it('moves no more lanes to a newcomer than its share, and none among the others', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 8 }), (count, size) => {
      const claims = Array.from({ length: size }, (_, index) => ({ memberId: `m${index}`, lanes: [], generation: -1 }));
      const before = assignLanes(count, claims);
      const settled = [...before].map(([memberId, own]) => ({ memberId, lanes: own, generation: 1 }));
      const after = assignLanes(count, [...settled, { memberId: 'new', lanes: [], generation: -1 }]);
      for (const [memberId, own] of before) {
        for (const lane of after.get(memberId)!) expect(own).toContain(lane);
      }
    }),
    { seed },
  );
});

it('believes the later generation when two claim a lane', () => {
  const assigned = assignLanes(2, [
    { memberId: 'old', lanes: [0], generation: 3 },
    { memberId: 'young', lanes: [0], generation: 4 },
  ]);
  expect(assigned.get('young')).toEqual([0]);
});

it('reads claims and assignments back, and a foreign claim as none', () => {
  expect(decodeClaim('m', encodeClaim(['a', 'b'], [3, 1], 7))).toEqual({ memberId: 'm', lanes: [3, 1], generation: 7 });
  expect(decodeClaim('m', Buffer.from('nonsense'))).toEqual({ memberId: 'm', lanes: [], generation: -1 });
  expect(decodeAssignment('b', encodeAssignment(['a', 'b'], [0, 5]))).toEqual([0, 5]);
});
