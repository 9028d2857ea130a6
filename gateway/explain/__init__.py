"""One referral as a timeline, with the guidance that each decision follows; and what finds it."""
