"""How close the predictions of a compact representation are to HMC's."""
