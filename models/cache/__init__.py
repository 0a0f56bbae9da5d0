"""Page-replacement policies over dense page ids, without a clock: as a pure page-cache study, exact to the access."""
