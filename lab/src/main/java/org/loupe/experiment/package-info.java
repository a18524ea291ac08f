/** What every experiment is made of: trials, spreads over seeds, charts, the page. */
@NullMarked
package org.loupe.experiment;

import org.jspecify.annotations.NullMarked;
