"""Networks: what may be asked, whether weights are known, a module is given, or a black box.

``Population``, weights of one architecture on the engine; ``Mixed``, rows of several behind one interface; ``Modules``,
any torch modules; ``Callables``, black boxes. A probing encoder takes any of them.
"""

from rnn2vec.engine.stack import State
from rnn2vec.networks.callables import Callables
from rnn2vec.networks.mixed import Mixed
from rnn2vec.networks.modules import Modules
from rnn2vec.networks.population import Population, concatenate
from rnn2vec.networks.protocol import Networks

__all__ = ["Callables", "Mixed", "Modules", "Networks", "Population", "State", "concatenate"]
